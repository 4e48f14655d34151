"""The kernels that the generations are compared by, one row each: sizes in units of the core, and who runs them.

All sizes are multiples of the core's own, so a quarter-size core does a quarter of the work in each dimension.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from makalu.examples.copy.copy import copy
from makalu.examples.decode.decode import Model, Operand, decode
from makalu.examples.gemm.gemm import gemm
from makalu.examples.gemm.mx import mx_gemm
from makalu.spec.config import CoreConfig
from makalu.spec.formats import E8M0, FORMATS
from makalu.spec.quads import QUAD_ELEMENTS
from makalu.spec.scales import GROUP_PARTITIONS
from makalu.spec.tensor_modes import Mode
from makalu.sw.cli.scaling.kinds import KINDS, MAIN, Kind, best
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import Program
from makalu.sw.elements import Bits, random_bits
from makalu.sw.nki.tracing import TensorSpec

__all__ = ["SUITE", "Kernel", "Work"]

MATMULS = 32
"""Of the dense GEMM, one behind the other; passes of a product count."""
SKINNY = 16
"""Columns of a moving tile that is over before the next stationary tile is there."""
RAGGED = 16
"""Columns more than one and a half banks: a word of the shortest elements, so that no row of a pair has to be moved."""
COPIED = 8
"""Banks' worth of columns in a copied row."""


@dataclass(frozen=True)
class Work:
    """A program with its inputs, and the multiply-accumulates that a user asked for: zeros filled in do not count."""

    program: Program
    inputs: dict[str, Any]
    macs: int


@dataclass(frozen=True)
class Kernel:
    """One row. `whole`: cycles from the start to the end, memory included; otherwise those of the array, from the first
    load of a stationary tile to the last commit to PSUM, with operands that are in SBUF before.
    """

    name: str
    text: str
    kinds: Callable[[CoreConfig], list[Kind]]
    """Those that it runs with on a core, which has all of them."""
    build: Callable[[CoreConfig, Kind], Work]
    whole: bool = False


def _operands(config: CoreConfig, kind: Kind, k: int, columns: Mapping[str, int]) -> tuple[dict[str, Any], dict]:
    """Specs and random inputs of operands [K, columns]; rows behind K are zeros."""
    random, filled = np.random.default_rng(k + sum(columns.values())), kind.filled(config, k)
    specs: dict[str, TensorSpec] = {}
    inputs: dict[str, Any] = {}
    for name, width in columns.items():
        if kind.mode.mode != Mode.MX:
            specs[name] = TensorSpec((filled, width), kind.form)
            inputs[name] = np.zeros((filled, width), np.float32)
            inputs[name][:k] = random.standard_normal((k, width), np.float32)
            continue
        rows = filled // QUAD_ELEMENTS
        specs[name] = TensorSpec((rows, width), kind.form)
        codes = random_bits(random, kind.form, (rows, width))
        codes[-(-k // QUAD_ELEMENTS) :] = 0
        specs[f"{name}_scale"] = TensorSpec((rows // GROUP_PARTITIONS, width), FORMATS["uint8"])
        inputs[name] = Bits(codes)
        inputs[f"{name}_scale"] = Bits(random_bits(random, E8M0, specs[f"{name}_scale"].shape))
    return specs, inputs


def _product(config: CoreConfig, kind: Kind, k: int, m: int, n: int) -> Work:
    """C[M, N] = A[K, M].T @ B[K, N], operands in SBUF before the first matmul."""
    specs, inputs = _operands(config, kind, k, {"a": m, "b": n})
    if kind.mode.mode == Mode.MX:
        program = compile_kernel(mx_gemm, config, **specs)
    else:
        program = compile_kernel(gemm, config, **specs, resident=True, rows=kind.mode.rows)
    return Work(program, inputs, k * m * n)


def _dense(config: CoreConfig, kind: Kind) -> Work:
    tiles = MATMULS // kind.passes
    high = 1 << tiles.bit_length() // 2
    rows, columns = kind.mode.products * config.tensor.rows, config.tensor.columns
    return _product(config, kind, rows * high, columns * (tiles // high), config.psum.bank_elems)


def _ragged(config: CoreConfig, kind: Kind) -> Work:
    rows, columns, bank = config.tensor.rows, config.tensor.columns, config.psum.bank_elems
    k = kind.mode.products * (3 * rows + rows // 2 + 1)
    return _product(config, kind, k, 2 * columns + columns // 2, bank + bank // 2 + RAGGED)


def _skinny(config: CoreConfig, kind: Kind) -> Work:
    rows, columns = kind.mode.products * config.tensor.rows, config.tensor.columns
    return _product(config, kind, 8 * rows, 8 * columns, SKINNY)


def _scores(config: CoreConfig, kind: Kind) -> Work:
    """One head of P elements: two tiles of queries by two banks of keys."""
    return _product(config, kind, config.partitions, 2 * config.tensor.columns, 2 * config.psum.bank_elems)


def _mixed(config: CoreConfig, kind: Kind) -> Work:
    """Values of 8 P keys stay, probabilities of a bank of queries move."""
    return _product(config, kind, 8 * config.partitions, config.tensor.columns, config.psum.bank_elems)


def _decode(batch: int) -> Callable[[CoreConfig, Kind], Work]:
    def build(config: CoreConfig, kind: Kind) -> Work:
        model = Model(config.partitions)
        streams = batch * model.kv_heads
        groups: list[tuple[int, dict[str, int], int]] = [
            (k, {f"w_{name}": m, f"x_{name}": batch}, 1) for name, (k, m) in model.weights().items()
        ]
        queries, tokens = streams * model.group, model.context
        groups += [(model.head, {"queries": queries}, 1), (model.head, {"keys": tokens}, streams)]
        groups += [(tokens, {"probabilities": queries}, 1), (tokens, {"values": model.head}, streams)]
        specs: dict[str, TensorSpec] = {}
        inputs: dict[str, Any] = {}
        for k, columns, copies in groups:
            mine, values = _operands(config, kind, k, columns)
            specs |= {name: _stacked(spec, copies) for name, spec in mine.items()}
            inputs |= {name: _repeated(value, copies) for name, value in values.items()}
        given = {name: _operand(specs, name) for name in specs if not name.endswith("_scale")}
        program = compile_kernel(
            decode,
            config,
            {name: given[f"w_{name}"] for name in model.weights()},
            {name: given[f"x_{name}"] for name in model.weights()},
            **{name: given[name] for name in ("queries", "keys", "probabilities", "values")},
            group=model.group,
            rows=kind.mode.rows,
        )
        return Work(program, inputs, model.macs(batch))

    return build


def _operand(specs: Mapping[str, TensorSpec], name: str) -> Operand:
    both = (TensorSpec(spec.shape, spec.dtype, key) for key in (name, f"{name}_scale") if (spec := specs.get(key)))
    return Operand(*both)  # type: ignore[arg-type]  # specs stand for tensors until the kernel is traced


def _stacked(spec: TensorSpec, copies: int) -> TensorSpec:
    return TensorSpec((spec.shape[0] * copies, spec.shape[1]), spec.dtype)


def _repeated(value: Any, copies: int) -> Any:
    """The same keys for every stream: what they are makes no cycle longer, and the bits of each are compared."""
    array = value.array if isinstance(value, Bits) else value
    array = np.concatenate([np.roll(array, turn, axis=1) for turn in range(copies)])
    return Bits(array) if isinstance(value, Bits) else array


def _copy(config: CoreConfig, kind: Kind) -> Work:
    shape = config.partitions, COPIED * config.psum.bank_elems
    program = compile_kernel(copy, config, x=TensorSpec(shape, kind.form))
    return Work(program, {"x": np.random.default_rng(1).standard_normal(shape, np.float32)}, 0)


def _main(config: CoreConfig) -> list[Kind]:
    return [KINDS[name] for name in MAIN if KINDS[name].runs_on(config)]


def _printed(config: CoreConfig) -> list[Kind]:
    """What weights and activations of a model may be: the fastest 8-bit kind, and bf16."""
    return [best(config, "bf16"), best(config, "fp8")]


def _first(config: CoreConfig) -> list[Kind]:
    return [best(config, "bf16")]


SUITE: Mapping[str, Kernel] = {
    row.name: row
    for row in (
        Kernel("dense", f"GEMM of whole tiles, {MATMULS} matmuls of a bank of columns", _main, _dense),
        Kernel("ragged", "GEMM whose K, M and N end in the middle of a tile", _main, _ragged),
        Kernel("skinny", f"GEMM of {SKINNY} columns: bound by loads of stationary tiles", _main, _skinny),
        Kernel("scores", "attention, Q K^T: one head, K is its P elements", _main, _scores),
        Kernel("mixed", "attention, P V: one head, K is 8 P keys", _main, _mixed),
        Kernel("decode_1", "one decode step of a layer, 1 sequence", _printed, _decode(1), whole=True),
        Kernel("decode_16", "one decode step of a layer, 16 sequences", _printed, _decode(16), whole=True),
        Kernel("decode_64", "one decode step of a layer, 64 sequences", _printed, _decode(64), whole=True),
        Kernel("copy", "memory to memory through SBUF, as many bytes out as in", _first, _copy, whole=True),
    )
}
