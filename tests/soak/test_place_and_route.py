"""The PE's budget on an ECP5-85, placed and routed out of context."""

import pytest

from makalu.sw.rtl.fpga import place_and_route

LUT4, MHZ, SPEED, SEED = 800, 90, 8, 1


def test_pe_is_within_its_budget():
    figures = place_and_route("pe", speeds=(SPEED,), seeds=(SEED,))
    assert figures["lut4"] <= LUT4
    assert figures["mult18"] == 1
    assert figures["fmax_mhz"][str(SPEED)][str(SEED)] >= MHZ


def test_unknown_component_rejected():
    with pytest.raises(ValueError, match=r"one of \['pe', 'array'\], not 'gpsimd'"):
        place_and_route("gpsimd")
