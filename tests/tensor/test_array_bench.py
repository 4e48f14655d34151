"""The PE array on Verilator and Icarus, every cycle against the lockstep model."""

import pytest

from makalu.hw.tensor.array import PeArray
from makalu.sw.rtl.runner import have_icarus, run_bench
from verif.tensor.configs import small_core

TESTS = 3
SMALL = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
CASES = {
    "8x8-of-4x4": ("verilator", {"partitions": 8, "word_bytes": 16, "mul_stages": 2, "add_stages": 2}, 40),
    "4x4-of-2x2": ("icarus", SMALL, 10),
    "4x4-of-2x2-flush": ("icarus", {**SMALL, "mul_stages": 1, "add_stages": 3, "subnormals": "flush"}, 10),
}


@pytest.mark.parametrize("name", list(CASES))
def test_array(name):
    simulator, core, matmuls = CASES[name]
    if simulator == "icarus" and not have_icarus():
        return
    ran = run_bench(
        PeArray(config=small_core(**core)),
        name=f"array-{name}",
        test_module="verif.array.test_array",
        simulator=simulator,
        params={"core": core, "matmuls": matmuls, "seed": 1},
    )
    assert ran == TESTS
