"""SBUF slices and access arbiter against their lockstep models, every port in every cycle."""

import random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from makalu.sw.rtl.params import bench_params
from verif.lib.variants import bench_config
from verif.sbuf.tb import SbufBench
from verif.sbuf.traffic import Traffic

PARAMS = bench_params()
POINTS = (
    "sbuf conflict",
    "sbuf both granted",
    "merge under conflict",
    "psum owned",
    "psum conflict",
    "engine 0 waits",
    "engine 1 waits",
    "tensor slots",
    "dma slots",
)


async def run(dut: Any, *, density: float, shared: float, points: tuple[str, ...]) -> None:
    config = bench_config(PARAMS["config"])
    traffic = Traffic(config, random.Random(cocotb.RANDOM_SEED), density=density, shared=shared)
    bench = SbufBench(dut, config, traffic)
    await bench.run(PARAMS["cycles"])
    cocotb.log.info("seen: %s", dict(bench.seen))
    missing = [point for point in points if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"
    await RisingEdge(dut.clk)


@cocotb.test()
async def dense_traffic(dut: Any) -> None:
    """Every engine and every slot busy in every cycle, half of the accesses in one bank."""
    await run(dut, density=1.0, shared=0.5, points=POINTS)


@cocotb.test()
async def sparse_traffic(dut: Any) -> None:
    """Idle cycles between accesses: outputs hold, turns hold, merges without a competitor."""
    await run(dut, density=0.3, shared=0.3, points=("merge alone", "sbuf conflict"))


@cocotb.test()
async def one_bank(dut: Any) -> None:
    """All accesses of both engines in one bank: engines alternate, merges keep the bank."""
    await run(dut, density=1.0, shared=1.0, points=("sbuf conflict", "merge under conflict"))
