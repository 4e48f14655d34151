"""PSUM slices against their lockstep model, every port in every cycle."""

import random
from typing import Any

import cocotb

from makalu.sw.rtl.params import bench_params
from verif.lib.variants import bench_config
from verif.psum.tb import PsumBench
from verif.psum.traffic import Traffic

PARAMS = bench_params()
POINTS = ("overwrite", "accumulate", "outside columns", "commit", "read 0", "read 1", "read beside wave")


async def run(dut: Any, *, density: float) -> None:
    config = bench_config(PARAMS["config"])
    bench = PsumBench(dut, config)
    await bench.run(Traffic(config, random.Random(cocotb.RANDOM_SEED), density=density), PARAMS["cycles"])
    cocotb.log.info("seen: %s", dict(bench.seen))
    missing = [point for point in POINTS if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"


@cocotb.test()
async def dense_traffic(dut: Any) -> None:
    """A wave in every cycle, both engines reading free banks."""
    await run(dut, density=1.0)


@cocotb.test()
async def sparse_traffic(dut: Any) -> None:
    """Gaps between bursts: outputs hold."""
    await run(dut, density=0.2)
