"""Where the cycles of a queue went: the counters of real engines, which add up, against what memory must cost."""

import functools
import shutil

import numpy as np

from makalu.examples.copy.copy import copy
from makalu.examples.gemm.gemm import gemm
from makalu.spec.frame import PHASES
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from tests.core.machines import observed_machine
from tests.core.replay import check_replay

TINY = load_preset("tiny")
SLOW = 300
"""Cycles."""
MOST_CYCLES = 100_000
SHAPE = (TINY.partitions, 32)


@functools.cache
def registers(name, latency):
    """After a run; `check_replay` adds the counters up and compares each with the lockstep model's."""
    spec = TensorSpec(SHAPE, nl.bfloat16)
    kernels = {"copy": (copy, {"x": spec}), "gemm": (gemm, {"a": spec, "b": spec})}
    kernel, specs = kernels[name]
    program, machine = compile_kernel(kernel, TINY, **specs), observed_machine("tiny")
    random = np.random.default_rng(0)
    image = program.image({tensor: random.normal(size=SHAPE) for tensor in specs})
    how = {"memory": MemoryTiming.of(TINY.memory, latency=latency), "max_cycles": MOST_CYCLES}
    result = machine.run(image, program.addresses, log=True, **how)
    try:
        check_replay(machine, result, image, program.addresses, **how)
    finally:
        shutil.rmtree(result.trace.parent)
    return result.registers


def growth(name, counter):
    return registers(name, SLOW)[counter] - registers(name, 0)[counter]


def test_a_copy_stalls_for_each_latency_of_memory():
    """One load, then its store: Sync waits for R, GpSimd for B, each before that for its instructions.

    Between two SBUF slots of one channel are `PHASES` cycles: a transfer may wait for a slot more or less.
    """
    for queue in ("sync", "gpsimd"):
        assert abs(growth("copy", f"{queue}_stall_port") - SLOW) <= PHASES
        assert abs(growth("copy", f"{queue}_busy")) <= PHASES
        assert growth("copy", f"{queue}_stall_fetch") == SLOW
    # the store waits for the load's semaphore
    assert abs(growth("copy", "gpsimd_stall_semaphore") - SLOW) <= PHASES


def test_a_gemm_stalls_more_behind_a_slow_memory():
    """Loads of one block run while another is computed, so not every latency is waited for."""
    assert registers("gemm", 0)["sync_busy"] > 0
    assert growth("gemm", "sync_stall_port") > SLOW
