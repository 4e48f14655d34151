"""Faults planted into the Verilog of the tensor engine: the bench must name the port, in the test meant for it."""

import pytest

from tests.faults.planting import Fault, caught

FAULTS = (
    Fault(
        name="skew-one-more",
        line=r"always @\(posedge clk\)\s+control_out <= (.*);",
        becomes=r"reg [39:0] late = 0; always @(posedge clk) begin late <= \1; control_out <= late; end",
        test="first_pair",
        message="tensor_edge__(sbuf|x|w)",
    ),
    Fault(
        name="hazard-ignored",
        line=r"assign hit = .*;",
        becomes="assign hit = 1'h0;",
        test="destinations_that_return",
        message="head__(control|stalled)",
    ),
    Fault(
        name="swap-lost",
        line=r"(?<=\s)column <= (.*);",
        becomes=r"column <= \1 & 6'h3d;",
        test="tiles_back_to_back",
        message="head__control",
    ),
    Fault(
        name="delay-line-outlives-a-reset",
        line=r"always @\(posedge clk\)\s+filled <= (.*);",
        becomes=r"reg kept = 0; always @(posedge clk) begin filled <= rst ? kept : \1; if (!rst) kept <= \1; end",
        test="reset_in_traffic",
        message="head__finish_matmul",
    ),
    Fault(
        name="wave-one-early",
        line=r"s6_value <= .*;",
        becomes="s6_value <= s4_value;",
        test="ragged_programs",
        message="head__wave",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_tensor_bench_catches(fault):
    where = rf"last tags issued: (none|tensor \d+): cycle \d+, port {fault.message}\S*"
    says = rf"{fault.test}: .*{where}: RTL (0x|undefined)"
    caught("tensor", "4x4-icarus", fault, says=says)
