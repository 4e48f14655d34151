"""Planted faults in the sequencer's Verilog; each must be caught by the test that is named here."""

import pytest

from makalu.spec.isa import QUEUES, WAITS
from tests.faults.planting import Fault, caught

FAULTS = (
    Fault(
        name="two-increments-in-one-cycle-count-once",
        line=r"(values\[\d+:\d+\]) \+ (update\[\d+:\d+\])",
        becomes=r"\1 + (|\2)",
        times=16,
        test="increments_of_one_cycle_are_summed",
    ),
    Fault(
        name="wait-compares-without-wrap",
        line=r"(\\\$\d+ |_\d+_) - (\\wait \[\d+:\d+\])",
        becomes=r"(\1 >= \2 ? 16'h0000 : 16'h8000)",
        times=WAITS * len(QUEUES),
        test="waits_compare_modulo",
    ),
    Fault(
        name="wait-compares-without-wrap-at-the-carry",
        line=r"(\\\$\d+ |_\d+_) - (\\wait \[\d+:\d+\])",
        becomes=r"(\1 >= \2 ? 16'h0000 : 16'h8000)",
        times=WAITS * len(QUEUES),
        test="waits_compare_across_the_carry",
    ),
    Fault(
        name="counter-sticks-at-16-bits",
        line=r"(values\[\d+:\d+\]) \+ (update\[\d+:\d+\])",
        becomes=r"(\1 + \2 > 32'h0000ffff ? 32'h0000ffff : \1 + \2)",
        times=16,
        test="waits_compare_across_the_carry",
    ),
    Fault(
        name="reserved-bits-are-not-checked",
        line=r"s2_static <= violations;",
        becomes=r"s2_static <= violations & 8'hfd;",
        times=len(QUEUES),
        test="broken_rules_stop_the_queue",
    ),
    Fault(
        name="the-version-of-the-encoding-is-not-checked",
        line=r"s2_static <= violations;",
        becomes=r"s2_static <= violations & 8'h7f;",
        times=len(QUEUES),
        test="broken_rules_stop_the_queue",
    ),
    Fault(
        name="queues-run-on-after-a-reset",
        line=r"always @\(posedge clk\)\s+state <= (.*);",
        becomes=r"integer kept = 0; always @(posedge clk) begin state <= rst ? kept : \1; if (!rst) kept <= \1; end",
        times=len(QUEUES),
        test="reset_in_traffic",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_planted_fault_is_caught(fault):
    caught("sequencer", "tiny-icarus", fault, says=rf"test_sequencer\.{fault.test}: ")
