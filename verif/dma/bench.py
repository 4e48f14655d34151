"""The DMA engine, its lanes and the slices: against the model, and against a memory of another author."""

from dataclasses import replace

from verif.dma.tb import dma_cut
from verif.dma.walk import Walk
from verif.lib.cases import Case, Config
from verif.lib.cut import Cut
from verif.lib.variants import bench_config

__all__ = ["CASES"]


def dma(config: Config) -> Cut:
    return dma_cut(bench_config(config))


def walk(config: Config) -> Walk:
    return Walk(config=bench_config(config))


TINY = Case(
    name="tiny",
    module="verif.dma.test_dma",
    tests=9,
    component=dma,
    config="tiny",
    # `points`: what the random traffic must show with this configuration, beside what it must show with all
    params={
        "descriptors": 30,
        "ragged": 30,
        "far": 4,
        "every_long_size": 4,
        "points": ["w before aw", "store queue full"],
    },
    elsewhere={"points": []},
)
FEW = {"every_long_size": 8}
AXI = replace(TINY, name="tiny-axi", module="verif.dma.test_dma_axi", tests=1, params={"descriptors": 25})
WALK = Case(
    name="walk",
    module="verif.dma.test_walk",
    tests=2,
    component=walk,
    config="tiny",
    params={"descriptors": 100, "longest": 10},
)

CASES = (
    TINY,
    replace(
        TINY,
        name="wide-bus",
        config="wide-bus",
        params={**TINY.params, **FEW, "descriptors": 18, "points": ["store queue full"]},
    ),
    replace(
        TINY,
        name="narrow",
        config="narrow",
        params={**TINY.params, **FEW, "descriptors": 6, "ragged": 15, "far": 1, "points": []},
    ),
    TINY.on_icarus(collisions="x", **FEW, descriptors=8, ragged=6, far=1, points=[]),
    AXI,
    replace(AXI, name="wide-bus-axi", config="wide-bus"),
    WALK,
    # what `makalu mutate` asks
    replace(WALK, name="walk-long", params={**WALK.params, "longest": 14}, soak=True),
)
