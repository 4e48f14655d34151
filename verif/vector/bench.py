"""Vector and Scalar with the arbiter, all partitions' memories and lanes."""

from dataclasses import replace

from verif.lib.cases import Case, Config
from verif.lib.cut import Cut
from verif.lib.variants import bench_config
from verif.vector.tb import lanes_cut

__all__ = ["CASES", "lanes"]

SOME = ("sbuf conflict", "both granted", "merge", "top read", "top written", "psum conflict", "owned")
ALL = (*SOME, "top of psum")
"""What the traffic of both engines must have shown."""


def lanes(config: Config) -> Cut:
    return lanes_cut(bench_config(config))


TINY = Case(
    name="tiny",
    module="verif.vector.test_vector",
    tests=4,
    component=lanes,
    config="tiny",
    params={"count": 52, "points": ALL, "every_long_size": 1, "every_cast": 1},
)

FEW = {"every_long_size": 8, "every_cast": 12}

MX = replace(
    TINY,
    name="mx",
    config="eight-mx",
    params={
        **{**TINY.params, **FEW, "count": 80},
        "points": (*SOME, "scales written", "scales merged", "group waits", "drawn", "moved without a draw"),
    },
)

CASES = (
    TINY,
    MX,
    replace(
        TINY,
        name="stochastic",
        config="stochastic",
        params={**TINY.params, **FEW, "count": 60, "points": (*ALL, "drawn", "moved without a draw")},
        soak=True,
    ),
    replace(TINY, name="slow-rates", config="slow-rates", params={**TINY.params, **FEW, "count": 30}, slow=True),
    TINY.on_icarus(**FEW, count=16, points=SOME),
)
