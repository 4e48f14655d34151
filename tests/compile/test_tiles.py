"""Column tiles in the compiler: fields of load and matmul, the PSUM partitions that are written, and who waits."""

import numpy as np
import pytest

from makalu.sim_models.golden.machine import Machine
from makalu.spec.isa import Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.lowering import lower
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec, trace
from makalu.sw.run import run_golden
from tests.golden.test_random_programs import without_waits

MINI = load_preset("trn2-mini")
K, M, N, TILES = 8, 8, 24, 4


def four_tiles(a, b):
    """Each tile times its own moving columns, into one PSUM tile, which is read by parts and then as a whole."""
    left, right = nl.load(a), nl.load(b)
    sums = nl.ndarray((M * TILES, N), nl.float32, buffer=nl.psum, name="sums")
    parts = nl.ndarray((M * TILES, N), nl.float32, name="parts")
    for n in range(TILES):
        dst = slice(M * n, M * n + M)
        place = {"tile_position": (K * n, M * n), "tile_size": (K, M)}
        nisa.nc_matmul(sums[dst], left[K * n : K * n + K], right[K * n : K * n + K], accumulate=False, **place)
        nisa.tensor_copy(parts[dst], sums[dst])
    whole = nl.ndarray(sums.shape, nl.float32, name="whole")
    nisa.activation(whole, nl.relu, sums)
    outs = [nl.ndarray(sums.shape, nl.float32, buffer=nl.shared_hbm, name=name) for name in ("out", "relu")]
    nl.store(outs[0], parts)
    nl.store(outs[1], whole)
    return tuple(outs)


def specs():
    return {"a": TensorSpec((K * TILES, M), nl.bfloat16), "b": TensorSpec((K * TILES, N), nl.bfloat16)}


def lowered():
    recording = trace(four_tiles, MINI, **specs()).recording
    places = {s: 0 for s in recording.storages if s.buffer.on_chip}
    outside = {s: n for n, s in enumerate((s for s in recording.storages if not s.buffer.on_chip), 1)}
    return [each.step for each in lower(list(recording.operations()), places, outside)]


def test_fields_and_regions():
    steps = lowered()
    loads = [step for step in steps if step.opcode == Opcode.LOAD_STATIONARY]
    matmuls = [step for step in steps if step.opcode == Opcode.MATMUL]
    assert [(step.values["column"], step.values["src0_partition"]) for step in loads] == [
        (M * n, K * n) for n in range(TILES)
    ]
    assert all("column" not in step.values for step in matmuls)
    for n, step in enumerate(matmuls):
        assert (step.values["dst_partition"], step.values["columns"], step.values["partitions"]) == (M * n, M, K)
        assert [(r.memory, r.first, r.last, r.run) for r in step.writes] == [("psum", M * n, M * n + M, 4 * N)]
        assert [(r.memory, r.first, r.last) for r in step.reads] == [("sbuf", K * n, K * n + K)]


def inputs():
    rng = np.random.default_rng(2)
    given = {name: rng.integers(-8, 9, spec.shape).astype(np.float32) for name, spec in specs().items()}
    rows = [slice(K * n, K * n + K) for n in range(TILES)]
    return given, np.concatenate([given["a"][each].T @ given["b"][each] for each in rows])


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_the_values_in_every_legal_order(seed):
    given, want = inputs()
    got = run_golden(compile_kernel(four_tiles, MINI, **specs()), given, config=MINI, seed=seed)
    assert (got["out"] == want).all() and (got["relu"] == np.maximum(want, 0)).all()


def test_tiles_of_one_psum_tile_do_not_wait_for_each_other():
    """A matmul writes other partitions than those that Vector reads; the relu of the whole waits for the last."""
    stream = list(compile_kernel(four_tiles, MINI, **specs()).executed()[Queue.TENSOR])
    waiting = [i for i in stream if i["wait0_kind"] or i["wait1_kind"]]
    assert len([i for i in stream if i.opcode == Opcode.MATMUL]) == TILES
    # for their operands, once
    assert {i["wait0_value"] for i in waiting} <= {1, 2} and len(waiting) <= 2


def test_without_waits_the_reads_race():
    program = without_waits(compile_kernel(four_tiles, MINI, **specs()))
    machine, image = Machine(MINI, strict=False), program.image(inputs()[0])
    found = [f.text for seed in range(8) for f in machine.run(image, program.addresses, seed=seed).findings]
    assert any("reads PSUM partition" in text for text in found)
