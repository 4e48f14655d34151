"""Planted faults in the sequencer's Verilog; each must be caught by the test that is named here."""

import re

import pytest

from makalu.hw.lib.emit import Emission
from makalu.hw.sequencer.sequencer import Sequencer
from makalu.hw.spec.config import load_preset
from makalu.sw.rtl.runner import BenchFailure, cocotb_bench

PRESET = "tiny"
FEW = {"preset": PRESET, "length": 12, "rounds": 1, "mutants": 1}

FAULTS = {
    "two_increments_in_one_cycle_count_once": (
        r"(values\[\d+:\d+\]) \+ (update\[\d+:\d+\])",
        r"\1 + (|\2)",
        "increments_of_one_cycle_are_summed",
    ),
    "wait_compares_without_wrap": (
        r"(\\\$\d+ ) - (\\wait \[\d+:\d+\])",
        r"(\1 >= \2 ? 16'h0000 : 16'h8000)",
        "waits_compare_modulo",
    ),
    "reserved_bits_are_not_checked": (
        r"s2_static <= violations;",
        r"s2_static <= violations & 7'h7d;",
        "broken_rules_stop_the_queue",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_caught(fault):
    pattern, replacement, caught_by = FAULTS[fault]
    text = Emission().verilog(Sequencer(config=load_preset(PRESET)), name="dut")
    text, places = re.subn(pattern, replacement, text)
    assert places, f"{pattern} is not in the Verilog any more"
    with pytest.raises(BenchFailure, match=rf"test_sequencer\.{caught_by}: "):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"sequencer-fault-{fault}",
            test_module="verif.sequencer.test_sequencer",
            params=FEW,
            build_args=["-Wno-WIDTHTRUNC"],
        )
