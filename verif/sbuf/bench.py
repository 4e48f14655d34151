"""SBUF slices behind the access arbiter."""

from dataclasses import replace

from verif.lib.cases import Case, Config
from verif.lib.cut import Cut
from verif.lib.variants import bench_config
from verif.sbuf.tb import sbuf_cut

__all__ = ["CASES"]


def sbuf(config: Config) -> Cut:
    return sbuf_cut(bench_config(config))


TINY = Case(
    name="tiny",
    module="verif.sbuf.test_sbuf",
    tests=3,
    component=sbuf,
    config="tiny",
    params={"cycles": 1500},
    slow=True,
)

CASES = (
    TINY,
    replace(TINY, name="wide-words", config="wide-words", params={"cycles": 1000}),
    TINY.on_icarus(collisions="x", cycles=300),
)
