"""What a PE says of itself is what its bench measures."""

import pytest

from verif.pe.bench import CUTS


@pytest.mark.parametrize("case", CUTS, ids=str)
def test_latency_is_the_one_that_the_bench_measures(case):
    pe = case.component(case.config)
    pe._MustUse__used = True  # asked, not elaborated
    assert pe.latency_cycles == 1 + case.config["mul_stages"] + case.config["add_stages"]
