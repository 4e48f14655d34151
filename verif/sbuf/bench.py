"""SBUF slices behind the access arbiter."""

from dataclasses import replace

from verif.lib.cases import Case, Config
from verif.lib.variants import bench_config
from verif.sbuf.assembly import SbufAssembly

__all__ = ["CASES"]


def sbuf(config: Config) -> SbufAssembly:
    return SbufAssembly(config=bench_config(str(config)))


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
