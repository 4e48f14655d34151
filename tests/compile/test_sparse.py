"""A sparse matmul in the compiler: fields of both instructions, what they read, and who waits for whom."""

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine
from makalu.spec.isa import Opcode, Queue, WaitKind
from makalu.spec.preset import load_preset
from makalu.spec.tensor_modes import Mode
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.lowering import lower
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.errors import NotBuiltError
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.run import run_golden
from tests.golden.test_random_programs import without_waits

MINI = load_preset("trn2-mini")
K, M, N, RATIO, FIRST = 8, 12, 24, 3, 4
BYTES = {"a": 0, "b": 64, "tags": 512}


def product(a, tags, b):
    tiles = []
    for source in (a, b, tags):
        tile = nl.ndarray((FIRST + K, *source.shape[1:]), source.dtype, name=source.name)[FIRST:]
        nisa.dma_copy(tile, source)
        tiles.append(tile)
    sums = nl.ndarray((M, N), nl.float32, buffer=nl.psum, name="sums")
    nisa.nc_matmul_sparse(sums, *tiles, accumulate=False)
    nisa.memset(tiles[2], 0)  # must wait for the load
    out = nl.ndarray((M, N), nl.float32, buffer=nl.shared_hbm, name="out")
    nl.store(out, sums)
    return out


def specs():
    return {
        "a": TensorSpec((K, M), nl.bfloat16),
        "tags": TensorSpec((K, M // 4), nl.uint16),
        "b": TensorSpec((K, RATIO, N), nl.bfloat16),
    }


def lowered():
    recording = trace(product, MINI, **specs()).recording
    operations = list(recording.operations())
    places = {s: BYTES.get(s.name.removesuffix("_1"), 0) for s in recording.storages if s.buffer.on_chip}
    outside = {s: n for n, s in enumerate((s for s in recording.storages if not s.buffer.on_chip), 1)}
    return {each.step.opcode: each.step for each in lower(operations, places, outside)}


def region(read):
    return read.memory, read.first, read.last, read.low, read.dims, read.run


def test_fields_and_regions():
    steps = lowered()
    load, matmul = steps[Opcode.LOAD_SPARSE], steps[Opcode.MATMUL]
    assert [region(read) for read in load.reads] == [
        ("sbuf", FIRST, FIRST + K, BYTES["a"], (), 2 * M),
        ("sbuf", FIRST, FIRST + K, BYTES["tags"], (), M // 2),
    ]
    assert not load.writes and load.values["ratio"] == RATIO and load.values["partitions"] == K
    assert [load.values[f"src0_size{d}"] for d in range(4)] == [M, 1, 1, 1]
    assert [load.values[f"src1_size{d}"] for d in range(4)] == [M // 4, 1, 1, 1]
    assert [region(read) for read in matmul.reads] == [("sbuf", FIRST, FIRST + K, BYTES["b"], (), 2 * RATIO * N)]
    assert matmul.values["mode"] == Mode.SPARSE and "ratio" not in matmul.values
    assert [matmul.values[f"src0_size{d}"] for d in range(4)] == [N, 1, 1, RATIO]
    assert matmul.values["src0_stride3"] == N


def inputs():
    rng = np.random.default_rng(1)
    tags = 4 * rng.integers(0, 4, (K, M)) + rng.integers(0, RATIO, (K, M))
    words = (tags.reshape(K, -1, 4) << 4 * np.arange(4)).sum(axis=2)
    numbers = {name: rng.integers(-8, 9, shape.shape).astype(np.float32) for name, shape in specs().items()}
    return tags, numbers | {"tags": words}


def test_tags_are_waited_for_and_kept_until_they_were_read():
    program = compile_kernel(product, MINI, **specs())
    stream = list(program.executed()[Queue.TENSOR])
    load = next(i for i in stream if i.opcode == Opcode.LOAD_SPARSE)
    waits = [load[f"wait{n}_kind"] for n in range(2)]
    assert WaitKind.REACHED in waits or any(i.opcode == Opcode.NOP and i["wait0_kind"] for i in stream)
    tags, given = inputs()
    want = np.zeros((M, N))
    for (k, m), tag in np.ndenumerate(tags):
        want[m] += given["a"][k, m] * given["b"][4 * (k // 4) + tag // 4, tag % 4]
    for seed in (None, *range(6)):
        assert (run_golden(program, given, config=MINI, seed=seed)["out"] == want).all()


def test_without_waits_the_tags_race():
    """The test above can fail."""
    program = without_waits(compile_kernel(product, MINI, **specs()))
    _, given = inputs()
    machine, image = Machine(MINI, strict=False), program.image(given)
    found = [f.text for seed in range(8) for f in machine.run(image, program.addresses, seed=seed).findings]
    assert any("src1" in text for text in found)


def test_more_dimensions_than_an_instruction_has_are_refused():
    def kernel(a, tags, b):
        tiles = [nl.load(source) for source in (a, b, tags)]
        sums = nl.ndarray((M, 16), nl.float32, buffer=nl.psum, name="sums")
        dst = sums.reshape((M, 2, 2, 2, 2)).permute((0, 4, 3, 2, 1))
        nisa.nc_matmul_sparse(dst, *tiles, accumulate=False)
        out = nl.ndarray((M, 16), nl.float32, buffer=nl.shared_hbm, name="out")
        nl.store(out, sums)
        return out

    given = {**specs(), "b": TensorSpec((K, 2, 16), nl.bfloat16)}
    with pytest.raises(NotBuiltError, match=r"a matmul of several rows a partition over 4 dimensions of columns"):
        compile_kernel(kernel, MINI, **given)


@pytest.mark.parametrize("ratio", [1, 2, 4])
def test_every_ratio_compiles(ratio):
    given = {**specs(), "b": TensorSpec((K, ratio, N), nl.bfloat16)}
    stream = list(compile_kernel(product, MINI, **given).executed()[Queue.TENSOR])
    load, matmul = (next(i for i in stream if i.opcode == opcode) for opcode in (Opcode.LOAD_SPARSE, Opcode.MATMUL))
    assert load["ratio"] == matmul["src0_size3"] == ratio
