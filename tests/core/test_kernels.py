"""Kernels at the sizes of a PSUM bank on the RTL: golden's bits, the timing model's cycles, engines side by side."""

import functools
import math

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.examples.gemm.streamed import streamed_gemm
from makalu.spec.encoding import decode
from makalu.spec.engines import Channel
from makalu.spec.isa import AP_DIMS, INSTRUCTION_BYTES
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import CHANNEL_OF
from makalu.spec.sparsity import deskew
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from tests.core.timed import Case, check, memory_of

BLOCKS = 2


def two_blocks(a, b):
    """c[M, N] = a[0].T @ b[0] + a[1].T @ b[1], the second added in PSUM: a is [2, K, M], b is [2, K, N]."""
    m, n = a.shape[2], b.shape[2]
    c = nl.ndarray((m, n), nl.float32, buffer=nl.shared_hbm, name="c")
    sums = nl.ndarray((m, n), nl.float32, buffer=nl.psum, name="sums")
    for block in range(BLOCKS):
        tiles = []
        for name, source in (("a", a), ("b", b)):
            tiles.append(nl.ndarray(source.shape[1:], nl.bfloat16, name=name))
            nisa.dma_copy(tiles[-1], source[block])
        nisa.nc_matmul(sums, *tiles)
    out = nl.ndarray((m, n), nl.float32, name="out")
    nisa.tensor_copy(out, sums)
    nisa.dma_copy(c, out)
    return c


def compiled(kernel, preset, a, b):
    """The case of a kernel of two bf16 operands of those shapes, with random values of both signs."""
    config, random = load_preset(preset), np.random.default_rng(sum(a + b))
    shapes = {"a": a, "b": b}
    program = compile_kernel(kernel, config, **{name: TensorSpec(s, nl.bfloat16) for name, s in shapes.items()})
    return Case(preset, program, {name: random.normal(size=shape) for name, shape in shapes.items()})


MATMULS = [
    ("tiny", 4, 4, 64),
    ("tiny", 3, 3, 61),
    pytest.param("trn2-mini", 32, 32, 512, marks=pytest.mark.slow),
    pytest.param("trn2-mini", 31, 29, 509, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("preset", "k", "m", "n"), MATMULS)
def test_matmul_of_a_whole_bank(preset, k, m, n):
    """N = the columns of a PSUM bank, and ragged K, M, N just below; two K blocks add up in PSUM."""
    assert load_preset(preset).psum.bank_elems - n in (0, 3)
    check(compiled(two_blocks, preset, (BLOCKS, k, m), (BLOCKS, k, n)), memory_of(preset, 100))


def intervals(case, trace):
    """(issue, finish, instruction) of everything on each channel, in order."""
    issued = {channel: [] for channel in Channel}
    for queue, stream in case.program.streams.items():
        words = [stream[i : i + INSTRUCTION_BYTES] for i in range(0, len(stream), INSTRUCTION_BYTES)]
        cycles = [event.cycle for event in trace.issues() if event.where == queue]
        for cycle, instruction in zip(cycles, map(decode, words), strict=True):
            if instruction.opcode in CHANNEL_OF:
                issued[CHANNEL_OF[instruction.opcode]].append((cycle, instruction))
    finished = {channel: [e.cycle for e in trace.finishes() if e.where == channel] for channel in Channel}
    return {
        channel: [(start, end, what) for (start, what), end in zip(issued[channel], finished[channel], strict=True)]
        for channel in Channel
    }


def columns_sent(config, spans):
    """[(first, last)]: cycles with a column at the edge of row 0, of matmuls that had no bubble.

    The last column is 1 + D + S + R*L + (C-1) + A before the finish. No column comes before that of the matmul in front
    of it or before the load's issue + 5: where that leaves N cycles for N columns, each of them has one.
    """
    tensor = config.tensor
    array = deskew(tensor) + tensor.mul_stages + tensor.rows * tensor.add_stages
    chain = 1 + array + tensor.columns - 1 + config.psum.add_stages
    out, before = [], -1
    for (load, _, _), (_, finish, matmul) in zip(spans[Channel.TENSOR_LOAD], spans[Channel.MATMUL], strict=True):
        count = math.prod(matmul[f"src0_size{d}"] for d in range(AP_DIMS))
        last = finish - chain
        if last - max(before + 1, load + 5) + 1 == count:
            out.append((last - count + 1, last))
        before = last
    return out


def busy(cycles, spans):
    """[cycles]: inside one of the spans (first, last, ...)."""
    out = np.zeros(cycles, np.bool_)
    for first, last, *_ in spans:
        out[first : last + 1] = True
    return out


SIZES = [("tiny", 8, 16, 64), pytest.param("trn2-mini", 64, 128, 512, marks=pytest.mark.slow)]


def gemm_run(preset, k, m, n, kernel):
    """[cycles] in which columns are sent, and in which each channel has something in flight; checked as all runs."""
    case = compiled(kernel, preset, (k, m), (k, n))
    trace = check(case, memory_of(preset, 100))
    spans = intervals(case, trace)
    flying = {channel: busy(trace.cycles, spans[channel]) for channel in Channel}
    return busy(trace.cycles, columns_sent(load_preset(preset), spans)), flying, spans


@pytest.mark.parametrize(("preset", "k", "m", "n"), SIZES)
def test_engines_overlap(preset, k, m, n):
    """Operands in SBUF: a column in every cycle, the loads behind them; evictions and stores go on meanwhile."""
    columns, flying, spans = gemm_run(preset, k, m, n, functools.partial(gemm, resident=True))
    matmuls = len(spans[Channel.MATMUL])
    sent = np.flatnonzero(columns)
    assert len(sent) == matmuls * n == sent[-1] - sent[0] + 1
    for first, last, _ in spans[Channel.TENSOR_LOAD][1:]:
        assert columns[first : last + 1].all()
    evicting = flying[Channel.VECTOR] | flying[Channel.SCALAR]
    assert (columns & flying[Channel.VECTOR]).any() and (columns & flying[Channel.SCALAR]).any()
    assert (columns & flying[Channel.TENSOR_LOAD] & evicting & flying[Channel.DMA_STORE]).any()


@pytest.mark.parametrize(("preset", "k", "m", "n"), SIZES)
def test_next_panels_load_under_the_matmul(preset, k, m, n):
    """With panels from memory: the next steps' come while this one's columns are sent."""
    columns, flying, _ = gemm_run(preset, k, m, n, functools.partial(gemm, resident=False))
    assert (columns & flying[Channel.DMA_LOAD]).any()


@pytest.mark.parametrize(("preset", "k", "m", "n"), SIZES)
def test_loads_run_beside_stores(preset, k, m, n):
    """A store waits for its block, no load waits for a store: in both directions something is under way at once.

    Every load is issued when the one before it has a place in the channel, so the last issues long before the last
    block is computed.
    """
    columns, flying, spans = gemm_run(preset, k, m, n, streamed_gemm)
    loading, storing = flying[Channel.DMA_LOAD], flying[Channel.DMA_STORE]
    assert (columns & loading & storing).any()
    assert np.flatnonzero(loading)[0] < np.flatnonzero(storing)[0] < spans[Channel.DMA_LOAD][-1][0]
