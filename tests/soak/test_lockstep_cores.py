"""Verilator's trn2-mini, cores with slow engines and stochastic rounding: every observed port in every cycle."""

import functools
import shutil

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.spec.memory import MemoryTiming
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from makalu.sw.rtl.machine import Machine
from tests.core.replay import check_replay
from verif.lib.variants import bench_config

NAMES = ("trn2-mini", "slow-engines", "stochastic")
MOST_CYCLES = 100_000
SIZE = 64


@functools.cache
def machine(name):
    return Machine(config=bench_config(name), simulator="verilator", observe="all", fast=True)


def check(name, image, programs, latency):
    memory = MemoryTiming.of(bench_config(name).memory, latency=latency)
    result = machine(name).run(image, programs, max_cycles=MOST_CYCLES, memory=memory, log=True)
    replayed = check_replay(machine(name), result, image, programs, memory=memory, max_cycles=MOST_CYCLES)
    shutil.rmtree(result.trace.parent)
    assert replayed.cycles > result.cycles


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", NAMES)
def test_random_program(name, seed):
    case = random_program(bench_config(name), seed=seed, instructions=60, elements=16)
    check(name, case.program.image(case.inputs), case.program.addresses, latency=30 * (seed % 3))


@pytest.mark.parametrize("name", NAMES)
def test_gemm(name):
    spec = TensorSpec((SIZE, SIZE), nl.bfloat16)
    random = np.random.default_rng(1)
    program = compile_kernel(gemm, bench_config(name), a=spec, b=spec)
    inputs = {name: random.normal(size=(SIZE, SIZE)) for name in ("a", "b")}
    check(name, program.image(inputs), program.addresses, latency=50)
