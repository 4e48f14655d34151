"""Samples of trn2-mini, every observed port in every cycle."""

import functools
import shutil

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_program import random_program
from makalu.sw.rtl.machine import Machine
from tests.core.replay import check_replay

CONFIG = load_preset("trn2-mini")
MOST_CYCLES = 100_000
SIZE = 64


@functools.cache
def machine():
    return Machine(config=CONFIG, observe="all", fast=True)


def check(image, programs, latency):
    memory = MemoryTiming.of(CONFIG.memory, latency=latency)
    result = machine().run(image, programs, max_cycles=MOST_CYCLES, memory=memory, log=True)
    replayed = check_replay(machine(), result, image, programs, memory=memory, max_cycles=MOST_CYCLES)
    shutil.rmtree(result.trace.parent)
    assert replayed.cycles > result.cycles


@pytest.mark.parametrize("seed", range(6))
def test_random_program(seed):
    case = random_program(CONFIG, seed=seed, instructions=60, elements=16)
    check(case.program.image(case.inputs), case.program.addresses, latency=30 * (seed % 3))


def test_gemm():
    spec = TensorSpec((SIZE, SIZE), nl.bfloat16)
    random = np.random.default_rng(1)
    program = compile_kernel(gemm, CONFIG, a=spec, b=spec)
    inputs = {name: random.normal(size=(SIZE, SIZE)) for name in ("a", "b")}
    check(program.image(inputs), program.addresses, latency=50)
