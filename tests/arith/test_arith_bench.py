"""RTL of every arithmetic unit against SoftFloat, on Verilator, and a sample on Icarus."""

import pytest

from makalu.hw.arith.assembly import ArithAssembly
from makalu.sw.rtl.runner import run_bench

LEAST = {"verilator": 50_000, "icarus": 0}
"""Results of every unit that the bench asks for."""
VECTORS = {"verilator": 66_000, "icarus": 300}
"""More than 50,000 results of every unit: a flushing chain cannot hold each number, and a fifth of the cycles has the
vector units' registers disabled (see ENABLED)."""
ENABLED = {"verilator": 63_000, "icarus": 300}
TESTS = 3


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.icarus)])
def test_arith(simulator):
    ran = run_bench(
        ArithAssembly(),
        name="arith",
        test_module="verif.arith.test_arith",
        kept=True,
        simulator=simulator,
        params={
            "vectors": VECTORS[simulator],
            "enabled_vectors": ENABLED[simulator],
            "specials": simulator == "verilator",
            "least": LEAST[simulator],
            "seed": 11,
        },
    )
    assert ran == TESTS
