"""Vector and Scalar, arbiter, slices and lanes against models, every port in every cycle, and against golden."""

from collections.abc import Sequence
from random import Random
from typing import Any

import cocotb

from makalu.sw.rtl.params import bench_params
from verif.lib.lane_programs import random_instructions
from verif.vector.configs import lanes_config
from verif.vector.ports import NAMES
from verif.vector.tb import LanesBench

PARAMS = bench_params()
WINDOW = 512


async def run(dut: Any, *, engines: tuple[str, ...], gap: int, owned: float, points: Sequence[str]) -> None:
    config = lanes_config(PARAMS["config"])
    rng = Random(cocotb.RANDOM_SEED)
    bench = LanesBench(dut, config, rng, window=WINDOW)
    programs = {
        name: random_instructions(config, engine=name, count=PARAMS["count"], seed=rng.getrandbits(32), window=WINDOW)
        if name in engines
        else []
        for name in NAMES
    }
    state = {"mask": 0}

    def banks(cycle: int) -> int:
        """Banks of the tensor engine: another set now and then."""
        if rng.random() < 0.1:
            state["mask"] = rng.getrandbits(config.psum.banks) & rng.getrandbits(config.psum.banks)
        return state["mask"] if rng.random() < owned or state["mask"] else 0

    await bench.run(programs, gap=gap, owned=banks if owned else (lambda cycle: 0), limit=400 * PARAMS["count"])
    cocotb.log.info("seen: %s, cycles: %s", dict(bench.seen), bench.durations)
    missing = [point for point in points if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"


@cocotb.test()
async def both_engines(dut: Any) -> None:
    """Both without a pause, in the same banks, with banks of the tensor engine coming and going."""
    await run(dut, engines=NAMES, gap=0, owned=0.5, points=PARAMS["points"])


@cocotb.test()
async def vector_alone(dut: Any) -> None:
    """No conflict: merges and its own three requests."""
    await run(dut, engines=("vector",), gap=5, owned=0, points=("merge",))
