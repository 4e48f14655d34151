"""Every issue and finish on the RTL is in the timing model's cycle, every byte of memory is golden's; any memory."""

import dataclasses
import functools

import numpy as np
import pytest

from makalu.examples.add.add import add
from makalu.examples.digits.network import compile_network, network_inputs
from makalu.examples.digits.train import digits, train
from makalu.examples.gemm.gemm import gemm
from makalu.examples.gemm.streamed import streamed_gemm
from makalu.spec.memory import MemoryTiming, StallProbabilities
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
from makalu.sw.rtl.timing import first_difference, largest_difference, predict_run
from tests.core.machines import quick_observe
from tests.core.timed import Case, accounts, check, memory_of, run

LATENCIES = [0, 100, 300]
LENGTH = {"tiny": 60, "trn2-mini": 30}
"""Instructions of a random program."""
STALLS = StallProbabilities(aw=90, w=60, b=120, ar=100, r=80, iar=110, ir=70, seed=5)


@functools.cache
def network(preset, images):
    data = digits()
    weights = train(data)
    program = compile_network(load_preset(preset), weights, images=images)
    return Case(preset, program, network_inputs(weights, data.test_images[:images]))


@functools.cache
def gemm_program(preset, size):
    spec = TensorSpec((size, size), nl.bfloat16)
    random = np.random.default_rng(size)
    inputs = {name: random.normal(size=(size, size)) for name in ("a", "b")}
    return Case(preset, compile_kernel(gemm, load_preset(preset), a=spec, b=spec), inputs)


@functools.cache
def streamed_program(kernel):
    """Loads, an engine and stores at once, on `tiny`."""
    config = load_preset("tiny")
    rows = 2 * config.partitions
    shape, dtype, names = {"add": ((rows, 48), nl.float32, "xy"), "gemm": ((rows, 16), nl.bfloat16, "ab")}[kernel]
    made = {"add": functools.partial(add, columns=16), "gemm": streamed_gemm}[kernel]
    random = np.random.default_rng(rows)
    inputs = {name: random.normal(size=shape) for name in names}
    return Case("tiny", compile_kernel(made, config, **dict.fromkeys(names, TensorSpec(shape, dtype))), inputs)


@functools.cache
def random_case(preset, seed):
    case = random_program(load_preset(preset), seed=seed, instructions=LENGTH[preset])
    return Case(preset, case.program, case.inputs)


def check_fixed(case, latency):
    check(case, memory_of(case.preset, latency))


def check_recorded(case, seed):
    check(case, memory_of(case.preset, 20), dataclasses.replace(STALLS, seed=seed))


NETWORKS = [("tiny", 8), pytest.param("trn2-mini", 64, marks=pytest.mark.slow)]
SEEDS = [("tiny", 0), ("tiny", 1), ("tiny", 2), ("tiny", 3)]
SEEDS += [pytest.param("trn2-mini", seed, marks=pytest.mark.slow) for seed in range(2)]


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize(("preset", "images"), NETWORKS)
def test_network(preset, images, latency):
    check_fixed(network(preset, images), latency)


@pytest.mark.parametrize(("preset", "images"), NETWORKS)
def test_network_under_stalls(preset, images):
    check_recorded(network(preset, images), seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("latency", LATENCIES)
def test_gemm(latency):
    check_fixed(gemm_program("trn2-mini", 96), latency)


@pytest.mark.slow
def test_gemm_under_stalls():
    check_recorded(gemm_program("trn2-mini", 96), seed=2)


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize("kernel", ["add", "gemm"])
def test_loads_beside_stores(kernel, latency):
    check_fixed(streamed_program(kernel), latency)


@pytest.mark.parametrize("kernel", ["add", "gemm"])
def test_loads_beside_stores_under_stalls(kernel):
    check_recorded(streamed_program(kernel), seed=3)


@pytest.mark.parametrize("latency", LATENCIES)
@pytest.mark.parametrize(("preset", "seed"), SEEDS)
def test_random_programs(preset, seed, latency):
    check_fixed(random_case(preset, seed), latency)


@pytest.mark.parametrize(("preset", "seed"), SEEDS)
def test_random_programs_under_stalls(preset, seed):
    check_recorded(random_case(preset, seed), seed=seed + 3)


def test_scarce_bandwidth():
    """Loads and stores fight for the data port: less than a beat in two cycles."""
    beat = load_preset("tiny").bus.data_bytes
    memory = MemoryTiming(
        latency=17,
        numerator=3 * beat,
        denominator=7,
        outstanding_reads=3,
        outstanding_writes=2,
        outstanding_instructions=2,
    )
    for seed in range(3):
        check(random_case("tiny", seed), memory)


def test_another_memory_is_noticed():
    """The comparison sees a memory that is one cycle slower, and names the first instruction that is late."""
    case = random_case("tiny", 0)
    timeline, trace = accounts(case, run(case, memory_of("tiny", 100)), memory_of("tiny", 101))
    assert largest_difference(timeline, trace) > 0
    first = first_difference(timeline, trace)
    assert first.kind == "issue" and first.number == 0 and first.predicted == first.seen + 1
    assert str(first) == (
        f"{first.where.name.lower()} issue 0, tag {first.tag}: "
        f"predicted in cycle {first.predicted}, seen in {first.seen}"
    )


def test_fewer_outstanding_bursts_are_noticed():
    """The comparison sees a model whose channels have half as many bursts open as the RTL's: transfers finish later."""
    case, memory, config = streamed_program("add"), memory_of("tiny", 100), load_preset("tiny")
    result, dma = run(case, memory), config.dma
    for key in ("outstanding_reads", "outstanding_writes"):
        slower = dataclasses.replace(config, dma=dataclasses.replace(dma, **{key: getattr(dma, key) // 2}))
        program = dataclasses.replace(case.program, digest=slower.digest)
        timeline, trace = predict_run(program, slower, result, memory, observe=quick_observe("tiny"))
        assert largest_difference(timeline, trace) > 0, key
