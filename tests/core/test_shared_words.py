"""Two writers of one SBUF word whose bytes differ: DMA and Vector, on the two ports of a slice."""

import shutil

import numpy as np
import pytest

from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.run import run_golden_machine
from tests.core.machines import observed_machine

pytestmark = pytest.mark.slow

TINY = load_preset("tiny")
WORDS = 100
STEP, CUT = 8, 3
"""Columns of a turn of the loop; the first `CUT` are Vector's, the cut lies inside a granule."""


def split(delay):
    """DMA and Vector fill the two sides of a cut again and again; Vector begins after a copy of `delay` columns."""

    def kernel(x, y):
        out = nl.ndarray((4, STEP * WORDS), nl.bfloat16, buffer=nl.shared_hbm, name="out")
        source, early = nl.ndarray(x.shape, nl.bfloat16), nl.ndarray(x.shape, nl.bfloat16)
        nisa.dma_copy(source, x)
        nisa.tensor_copy(early[:, :delay], source[:, :delay])
        tile = nl.ndarray(out.shape, nl.bfloat16)
        for i in range(WORDS):
            at, wide = STEP * i, STEP - CUT
            nisa.dma_copy(tile[:, at + CUT : at + STEP], y[:, wide * i : wide * (i + 1)])
            nisa.tensor_copy(tile[:, at : at + CUT], source[:, :CUT])
        nisa.dma_copy(out, tile)
        return out

    return compile_kernel(
        kernel, TINY, x=TensorSpec((4, 512), nl.bfloat16), y=TensorSpec((4, (STEP - CUT) * WORDS), nl.bfloat16)
    )


@pytest.mark.parametrize("delay", [10, 60])
def test_dma_and_vector_in_one_word(delay):
    program, random = split(delay), np.random.default_rng(0)
    inputs = {"x": random.normal(size=(4, 512)), "y": random.normal(size=(4, (STEP - CUT) * WORDS))}
    expected = run_golden_machine(program, inputs, config=TINY).memory
    for seed in range(3):
        assert np.array_equal(run_golden_machine(program, inputs, config=TINY, seed=seed).memory, expected)
    timing = MemoryTiming.of(TINY.memory, latency=3)
    machine = observed_machine("tiny")
    result = machine.run(program.image(inputs), program.addresses, max_cycles=200_000, memory=timing)
    shutil.rmtree(result.trace.parent)
    wrong = np.flatnonzero(result.memory != expected)
    assert not wrong.size, f"{wrong.size} bytes differ from golden, first at {int(wrong[0]):#x}"
