"""PSUM slices against their lockstep model, every port in every cycle."""

import random
from typing import Any

import cocotb

from makalu.sw.rtl.params import bench_params
from verif.arith.cancellation import absent_cancellations, count_sums
from verif.lib.variants import bench_config
from verif.psum.tb import PsumBench
from verif.psum.traffic import Cancelling, Traffic

PARAMS = bench_params()
POINTS = ("overwrite", "accumulate", "outside columns", "commit", "read 0", "read 1", "read beside wave")


async def run(dut: Any, *, density: float) -> None:
    config = bench_config(PARAMS["config"])
    bench = PsumBench(dut, config, Traffic(config, random.Random(cocotb.RANDOM_SEED), density=density))
    await bench.run(PARAMS["cycles"])
    sums = count_sums(*bench.sums())
    cocotb.log.info("seen: %s, of the sums: %s", dict(bench.seen), sums)
    tensor = config.tensor
    points = POINTS + ("half a word",) * tensor.halves + ("bf16 added", "bf16 tie") * tensor.rounds
    points += ("bf16 by random bits",) * config.stochastic_sums
    missing = [point for point in points if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"
    assert sums["deep cancellation"] > PARAMS["cycles"] // 10 and sums["subnormal sum"] > PARAMS["cycles"] // 100, sums


@cocotb.test()
async def dense_traffic(dut: Any) -> None:
    """A wave in every cycle, both engines reading free banks."""
    await run(dut, density=1.0)


@cocotb.test()
async def sparse_traffic(dut: Any) -> None:
    """Gaps between bursts: outputs hold."""
    await run(dut, density=0.2)


@cocotb.test()
async def cancellation(dut: Any) -> None:
    """A subnormal sum of each exponent and leading place."""
    config = bench_config(PARAMS["config"])
    traffic = Cancelling(config, random.Random(cocotb.RANDOM_SEED))
    bench = PsumBench(dut, config, traffic)
    await bench.run(traffic.cycles)
    absent = absent_cancellations(*bench.sums())
    assert not absent, f"{len(absent)} never came, first {absent[0]}"
