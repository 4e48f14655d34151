"""Vector and Scalar, arbiter, slices and lanes against models, every port in every cycle, and against golden."""

from collections.abc import Sequence
from random import Random
from typing import Any

import cocotb

from makalu.spec.encoding import Instruction
from makalu.spec.engines import ACCESS_ENGINES
from makalu.sw.rtl.params import bench_params
from verif.lib.lane_programs import casts, random_instruction, random_instructions
from verif.lib.sizes import long_sizes
from verif.lib.variants import bench_config
from verif.vector.tb import LanesBench

PARAMS = bench_params()
WINDOW = 512
RESETS = (30, 50, 70, 71)
"""Cycles after which they come: reads and writes wait for their bank in some of them."""


async def run(dut: Any, *, engines: Sequence[str], gap: int, owned: float, points: Sequence[str]) -> LanesBench:
    """Fill, random programs of `engines`, and what they must have shown."""
    bench = LanesBench(dut, bench_config(PARAMS["config"]), Random(cocotb.RANDOM_SEED), window=WINDOW)
    await bench.fill()
    for upper in ACCESS_ENGINES:
        await play(bench, engines=engines, gap=gap, owned=owned, count=PARAMS["count"] // 2, upper=upper)
    missing = [point for point in points if not bench.seen[point]]
    assert not missing, f"the traffic never showed {missing}"
    return bench


async def play(
    bench: LanesBench,
    *,
    engines: Sequence[str],
    gap: int,
    owned: float,
    count: int,
    upper: str = "scalar",
    until: int | None = None,
) -> None:
    """`count` random instructions an engine; `upper` has the upper destinations."""
    rng, config = bench.rng, bench.config
    programs: dict[str, list[Instruction]] = {name: [] for name in ACCESS_ENGINES}
    for name in engines:
        seed = rng.getrandbits(32)
        programs[name] = random_instructions(config, engine=name, count=count, seed=seed, window=WINDOW, upper=upper)
    state = {"mask": 0}

    def banks(cycle: int) -> int:
        """Banks of the tensor engine: another set now and then."""
        if rng.random() < 0.1:
            state["mask"] = rng.getrandbits(config.psum.banks) & rng.getrandbits(config.psum.banks)
        return state["mask"] if rng.random() < owned or state["mask"] else 0

    await bench.run(programs, gap=gap, owned=banks if owned else (lambda cycle: 0), limit=400 * count, until=until)
    cocotb.log.info("seen: %s, cycles: %s", dict(bench.seen), bench.durations)


@cocotb.test()
async def both_engines(dut: Any) -> None:
    """Both without a pause, in the same banks, with banks of the tensor engine coming and going; then a reset.

    The reset comes while both work: nothing of it is left, what follows is right.
    """
    bench = await run(dut, engines=ACCESS_ENGINES, gap=0, owned=0.5, points=PARAMS["points"])
    for cycles in RESETS:
        await play(bench, engines=ACCESS_ENGINES, gap=0, owned=0.5, count=4, until=cycles)
        await bench.restart()
        await play(bench, engines=ACCESS_ENGINES, gap=0, owned=0, count=1)
    assert bench.seen["reset in traffic"] == len(RESETS)


@cocotb.test()
async def long_sizes_begin(dut: Any) -> None:
    """Each upper bit of a size, on both engines, with a reset after the first elements."""
    bench = LanesBench(dut, bench_config(PARAMS["config"]), Random(cocotb.RANDOM_SEED), window=WINDOW)
    await bench.fill()
    for sizes in long_sizes(bench.rng, every=PARAMS["every_long_size"]):
        programs = {
            name: [random_instruction(bench.rng, bench.config, engine=name, window=WINDOW, sizes=sizes)]
            for name in ACCESS_ENGINES
        }
        await bench.run(programs, gap=0, owned=lambda cycle: 0, limit=0, until=60)
        await bench.restart()


@cocotb.test()
async def every_cast(dut: Any) -> None:
    """From each type to each, every `every_cast`th of them, and sums of two types."""
    bench = LanesBench(dut, bench_config(PARAMS["config"]), Random(cocotb.RANDOM_SEED), window=WINDOW)
    await bench.fill()
    every = casts(bench.rng, bench.config, window=WINDOW)[:: PARAMS["every_cast"]]
    programs = {name: every if name == "vector" else [] for name in ACCESS_ENGINES}
    await bench.run(programs, gap=0, owned=lambda cycle: 0, limit=100 * len(every))


@cocotb.test()
async def vector_alone(dut: Any) -> None:
    """No conflict: merges and its own three requests."""
    await run(dut, engines=("vector",), gap=5, owned=0, points=("merge",))
