"""The core's cocotb bench on Verilator: minutes of compilation for what Icarus and the compiled runs show in CI."""

import pytest

from tests.core.test_core_bench import TESTS, bench
from verif.core.configs import SLOW_ENGINES


@pytest.mark.parametrize("config", ["tiny", SLOW_ENGINES])
def test_core_bench_verilator(config, tmp_path):
    assert bench(config, "verilator", tmp_path, instructions=150, seed=20) == TESTS
