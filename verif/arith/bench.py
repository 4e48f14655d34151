"""Every arithmetic unit against SoftFloat, on Verilator, and a sample on Icarus."""

from dataclasses import replace

from makalu.hw.arith.assembly import ArithAssembly
from verif.lib.cases import Case

__all__ = ["CASES"]

UNITS = Case(
    name="units",
    module="verif.arith.test_arith",
    tests=3,
    component=ArithAssembly,
    # more than 50,000 results of every unit: a flushing chain cannot hold each number, and in a fifth of the cycles the
    # vector units' registers are disabled
    params={"vectors": 66_000, "enabled_vectors": 63_000, "specials": True, "least": 50_000, "seed": 11},
)

CASES = (
    UNITS,
    UNITS.on_icarus(vectors=300, enabled_vectors=300, specials=False, least=0),
    # what `makalu mutate` asks
    replace(UNITS, name="chain-units", only="chain", tests=1, soak=True),
    replace(UNITS, name="lane-units", only="add_and_compare|multiply", tests=2, soak=True),
)
