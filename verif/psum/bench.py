"""The PSUM slices in the chain of their waves."""

from dataclasses import replace

from verif.lib.cases import Case, Config
from verif.lib.cut import Cut
from verif.lib.variants import bench_config
from verif.psum.tb import psum_cut

__all__ = ["CASES"]


def psum(config: Config) -> Cut:
    return psum_cut(bench_config(config))


TINY = Case(
    name="tiny",
    module="verif.psum.test_psum",
    tests=3,
    component=psum,
    config="tiny",
    params={"cycles": 1500},
    slow=True,
)

CASES = (
    TINY,
    replace(TINY, name="psum-add-1", config="psum-add-1", params={"cycles": 600}),
    replace(TINY, name="psum-add-2", config="psum-add-2", params={"cycles": 600}),
    replace(TINY, name="bf16-sums", config="bf16-sums", soak=True),
    replace(TINY, name="stochastic", config="stochastic", params={"cycles": 600}),
    TINY.on_icarus(collisions="x", cycles=500),
)
