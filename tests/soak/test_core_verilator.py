"""The core's cocotb bench on Verilator, longer, and on the core whose engines have other clocks."""

import pytest

from tests.core.test_core_bench import TESTS, bench
from verif.core.configs import SLOW_ENGINES


@pytest.mark.parametrize("config", ["tiny", SLOW_ENGINES])
def test_long_core_bench(config, tmp_path):
    assert bench(config, "verilator", tmp_path, instructions=150, seed=20) == TESTS
