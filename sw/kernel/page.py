"""`docs/nki.md`: each name of NKI, what it becomes and what that costs, or that it is not built; made from the code.

What a call becomes is what a small kernel with that one call records; what it costs is when the timing model sees its
first instruction issue and its last one finish.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.api import ISA_NAMES, LANGUAGE_NAMES, TENSOR_NAMES
from makalu.sw.nki.dtypes import OTHER_TYPES
from makalu.sw.nki.operators import OPERATORS
from makalu.sw.nki.recording import current
from makalu.sw.nki.storage import Written
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.timing import predict

__all__ = ["SAMPLES", "becomes", "nki_page"]

PRESET = "trn2"
ROWS, COLUMNS = 128, 512
"""Of the tiles in the examples."""

Sample = Callable[[dict[str, Tensor]], Any]


def _word(t: dict[str, Tensor]) -> Tensor:
    return nl.ndarray((ROWS, COLUMNS), nl.float32)


def _with_a_number(name: str, t: dict[str, Tensor]) -> None:
    OPERATORS[name](t["word"], 2.0)


def _of_two(name: str, t: dict[str, Tensor]) -> None:
    OPERATORS[name](t["word"], t["word"])


def _of_one(name: str, t: dict[str, Tensor]) -> None:
    OPERATORS[name](t["word"])


SAMPLES: dict[str, Sample] = {
    "nisa.nc_matmul": lambda t: nisa.nc_matmul(t["sums"], t["half"][:, :128], t["half"]),
    "nisa.nc_matmul, strided stationary": lambda t: nisa.nc_matmul(t["sums"], t["half"][:, :256:2], t["half"]),
    "nisa.nc_matmul, a tile of 32 columns": lambda t: nisa.nc_matmul(
        t["sums"][32:64], t["half"][:, :32], t["half"], tile_position=(0, 32), tile_size=(128, 32)
    ),
    "nisa.nc_matmul_sparse (ours)": lambda t: nisa.nc_matmul_sparse(
        t["sums"][:, :128], t["half"][:, :128], t["half"].reshape((ROWS, 4, 128)), t["tags"]
    ),
    "nisa.nc_transpose": lambda t: nisa.nc_transpose(t["turned"], t["half"][:, :128]),
    "nisa.tensor_copy": lambda t: nisa.tensor_copy(_word(t), t["word"]),
    "nisa.tensor_tensor": lambda t: nisa.tensor_tensor(_word(t), t["word"], t["word"], op=nl.add),
    "nisa.tensor_tensor, other partitions": lambda t: nisa.tensor_tensor(
        _word(t)[:64], t["word"][:64], t["word"][64:], op=nl.add
    ),
    "nisa.tensor_scalar": lambda t: nisa.tensor_scalar(_word(t), t["word"], nl.multiply, 2.0, op1=nl.add, operand1=1.0),
    "nisa.tensor_scalar, two tensor operands": lambda t: nisa.tensor_scalar(
        _word(t), t["word"], nl.multiply, t["word"][:, 1], op1=nl.add, operand1=t["word"][:, 2]
    ),
    "nisa.activation": lambda t: nisa.activation(_word(t), nl.relu, t["word"], bias=t["word"][:, 1], scale=2.0),
    "nisa.activation, scale a tensor": lambda t: nisa.activation(_word(t), nl.relu, t["word"], scale=t["word"][:, 1]),
    "nisa.dma_copy, memory to SBUF": lambda t: nisa.dma_copy(_word(t), t["x"]),
    "nisa.dma_copy, SBUF to memory": lambda t: nisa.dma_copy(t["out"], t["word"]),
    "nisa.dma_copy, with a cast": lambda t: nisa.dma_copy(_word(t), t["h"]),
    "nisa.dma_copy, SBUF to SBUF": lambda t: nisa.dma_copy(_word(t), t["word"]),
    "nisa.dma_copy, memory to memory": lambda t: nisa.dma_copy(t["out"], t["x"]),
    "nisa.memset": lambda t: nisa.memset(_word(t), 1.0),
    "nisa.memset, PSUM": lambda t: nisa.memset(t["sums"], 1.0),
    "nl.load": lambda t: nl.load(t["x"]),
    "nl.store": lambda t: nl.store(t["out"], t["word"]),
    "nl.load_transpose2d": lambda t: nl.load_transpose2d(t["h"][:, :128]),
    "nl.full": lambda t: nl.full((ROWS, COLUMNS), 1.0, nl.float32),
    "nl.zeros": lambda t: nl.zeros((ROWS, COLUMNS), nl.bfloat16),
    "nl.ones": lambda t: nl.ones((ROWS, COLUMNS), nl.bfloat16),
    "nl.zeros_like": lambda t: nl.zeros_like(t["word"]),
    "nl.broadcast_to, partitions, then used": lambda t: nl.add(
        t["word"], nl.broadcast_to(t["word"][:1], (ROWS, COLUMNS))
    ),
    "nl.matmul, transpose_x": lambda t: nl.matmul(t["half"][:, :128], t["half"], transpose_x=True),
    "nl.matmul": lambda t: nl.matmul(t["half"][:, :128], t["half"]),
    "nl.transpose": lambda t: nl.transpose(t["half"][:, :128]),
    "nl.shared_identity_matrix": lambda t: nl.shared_identity_matrix(ROWS, nl.bfloat16),
    "assignment, t[...] = x": lambda t: t["word"].__setitem__(slice(None), t["word"]),
    **{f"nl.{name}": partial(_with_a_number, name) for name in ("add", "subtract", "multiply")},
    **{f"nl.{name}": partial(_of_two, name) for name in ("maximum", "minimum")},
    **{f"nl.{name}": partial(_of_one, name) for name in ("copy", "negative", "relu", "square")},
}
"""Calls on tiles of [128, 512]: `word` fp32, `half` bfloat16 in SBUF, `sums` in PSUM, `x`, `h`, `out` in memory;
`tags` of 128 columns."""


def becomes(sample: Sample) -> tuple[str, int]:
    """The instructions of one call, and the cycles from its first issue to its last finish."""

    def kernel(x: Tensor, h: Tensor, out: Tensor) -> None:
        tiles = {"x": x, "h": h, "out": out, "word": nl.ndarray((ROWS, COLUMNS), nl.float32)}
        tiles["half"] = nl.ndarray((ROWS, COLUMNS), nl.bfloat16)
        tiles["tags"] = nl.ndarray((ROWS, 32), nl.uint16)
        for name in ("word", "half", "tags"):  # as if they had been loaded long ago
            tiles[name].storage.marks(tiles[name])[...] = Written.VALUE
        tiles["sums"] = nl.ndarray((ROWS, COLUMNS), nl.float32, buffer=nl.psum)
        tiles["turned"] = nl.ndarray((ROWS, ROWS), nl.bfloat16, buffer=nl.psum)
        sample(tiles)
        count.append(current().count)
        nl.store(out[:1], tiles["word"][:1])

    count: list[int] = []
    config = load_preset(PRESET)
    word, half = TensorSpec((ROWS, COLUMNS), nl.float32), TensorSpec((ROWS, COLUMNS), nl.bfloat16)
    traced = trace(kernel, config, word, half, word)
    counts = Counter(operation.opcode.name.lower() for operation in list(traced.recording.operations())[: count[0]])
    program = compile_trace(traced, whole_outputs=False)
    # tags number instructions, `count` counts operations
    assert sum(n is not None for numbers in program.origins.values() for n in numbers) == traced.recording.count
    timeline = predict(program, config)
    controls = {(queue, i) for queue, numbers in program.origins.items() for i, n in enumerate(numbers) if n is None}
    issues = [e.cycle for e in timeline.issues if e.tag < count[0] and (e.where, e.index) not in controls]
    finishes = [e.cycle for e in timeline.finishes if e.tag < count[0]]
    text = ", ".join(f"{name} x {number}" if number > 1 else name for name, number in counts.items())
    return text or "nothing: a view or a new tile", max(finishes) - min(issues) if finishes else 0


def nki_page() -> str:
    """The whole page."""
    lines = [
        "# NKI here",
        "",
        "Written from `sw/nki` by `makalu docs`; do not edit. NKI 0.3 to 0.7 (module `nki`); Beta 1 (`neuronxcc`,",
        "masks, `mgrid`, block dimensions) was removed by AWS and is refused by name. A name that is not built is",
        'refused as "in NKI, not built here yet", one that NKI does not have as "not in NKI", a use that breaks a',
        'rule as "illegal".',
        "",
        "## What a call becomes",
        "",
        f"Instructions of one call on tiles of [{ROWS}, {COLUMNS}], and the cycles from the first issue to the last",
        f"finish on `{PRESET}` (timing model; a program of this call alone, so constants are loaded first, which",
        "happens once a program). An element of Vector takes 5/2 cycles there, one of Scalar 2.",
        "",
        "| call | becomes | cycles |",
        "|---|---|---:|",
    ]
    for name, sample in SAMPLES.items():
        text, cycles = becomes(sample)
        lines.append(f"| `{name}` | {text} | {cycles:,} |")
    views = sorted(TENSOR_NAMES - {"indirect", "vector_select"})
    built = sorted(set(nl.BUILT) - {name.removeprefix("nl.") for name in SAMPLES})
    free = [f"`nl.{name}`" for name in built] + [f"`.{name}`" for name in views]
    lines += ["", "## Free", "", "Views, sizes and loops cost nothing: " + ", ".join(free) + ".", ""]
    lines += ["## In NKI, not built here yet", ""]
    for module, names in (
        ("nl", sorted(LANGUAGE_NAMES - set(nl.BUILT) - set(OTHER_TYPES))),
        ("element types, nl", sorted(OTHER_TYPES)),
        ("nisa", sorted(ISA_NAMES - set(nisa.__all__))),
        ("of a tensor", ["indirect", "vector_select", "ap with scalar_offset or vector_offset"]),
    ):
        lines += [f"- {module}: " + ", ".join(f"`{name}`" for name in names)]
    return "\n".join(lines) + "\n"
