"""One PE in each pipeline cut, on Verilator and on Icarus, where a register without a value is X and never right."""

import pytest

from makalu.hw.tensor.pe import Pe
from makalu.sw.rtl.runner import run_bench
from verif.tensor.configs import small_core

TESTS = 3
CYCLES = {"verilator": 2000, "icarus": 500}
CUTS = [(s, a, subnormals) for s in (1, 2) for a in (1, 2, 3) for subnormals in ("keep", "flush")]


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.icarus)])
@pytest.mark.parametrize(("mul_stages", "add_stages", "subnormals"), CUTS)
def test_pe(simulator, mul_stages, add_stages, subnormals):
    stages = {"mul_stages": mul_stages, "add_stages": add_stages, "subnormals": subnormals}
    pe = Pe(tensor=small_core(partitions=4, word_bytes=8, **stages).tensor)
    assert pe.latency_cycles == 1 + mul_stages + add_stages  # what the bench's `latency` measures
    ran = run_bench(
        pe,
        name="pe",
        test_module="verif.pe.test_pe",
        simulator=simulator,
        params={"stages": stages, "cycles": CYCLES[simulator], "seed": 1},
    )
    assert ran == TESTS
