"""One PE in each pipeline cut, on Icarus: a register without a value is X, so nothing undefined is right by luck."""

import pytest

from makalu.hw.tensor.pe import Pe
from makalu.sw.rtl.runner import have_icarus, run_bench
from verif.tensor.configs import small_core

TESTS = 2
CASES = [(s, a, subnormals) for s in (1, 2) for a in (1, 2, 3) for subnormals in ("keep", "flush")]


@pytest.mark.parametrize(("mul_stages", "add_stages", "subnormals"), CASES)
def test_pe(mul_stages, add_stages, subnormals):
    if not have_icarus():
        return
    stages = {"mul_stages": mul_stages, "add_stages": add_stages, "subnormals": subnormals}
    pe = Pe(tensor=small_core(partitions=4, word_bytes=8, **stages).tensor)
    assert pe.latency_cycles == 1 + mul_stages + add_stages  # what the bench's `latency` measures
    ran = run_bench(
        pe,
        name="pe",
        test_module="verif.pe.test_pe",
        simulator="icarus",
        params={"stages": stages, "cycles": 500, "seed": 1},
    )
    assert ran == TESTS
