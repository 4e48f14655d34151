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
        name="delay-lines-outlive-a-reset",
        line=r"s(\d)_value <= (_\d+_);",
        becomes=r"s\1_value <= rst ? s\1_value : \2;",
        times=16,  # stages of all three
        test="reset_in_traffic",
        message="head__(finish_load|finish_matmul|wave)",
    ),
    Fault(
        name="wave-one-early",
        line=r"(?s)(module \\tensor_head_\w+\.to_psum\W.*?s6_value <= )_05_;",
        becomes=r"\1s4_value;",
        test="ragged_programs",
        message="head__wave",
    ),
    Fault(
        name="tile-loaded-into-the-first-columns",
        line=r"s0_first <= .*;",
        becomes="s0_first <= 0;",
        test="ragged_programs",
        message="(head__control|tensor_edge__w)",
    ),
    Fault(
        name="weights-that-are-none-count",
        line=r"assign counts = (active) & _\d+_;",
        becomes=r"assign counts = \1;",
        test="ragged_programs",
        message="array__p",
    ),
    Fault(
        name="other-rows-keep-their-weights",
        line=r"(?<=\s)apart <= .*;",
        becomes="apart <= 0;",
        test="ragged_programs",
        message="(head__control|tensor_edge__w)",
    ),
    Fault(
        name="tile-written-to-the-first-partitions",
        line=r"first_column <= .*;",
        becomes="first_column <= 0;",
        test="ragged_programs",
        message="head__wave",
    ),
)

SPARSE_FAULTS = (
    Fault(
        name="fault-not-handed-on",
        line=r"assign fault = fault_in \| (\S+);",
        becomes=r"assign fault = \1;",
        test="tags_out_of_range",
        message="head__(error_load|finish_load)",
    ),
    Fault(
        name="tags-not-looked-at",
        line=r"s1_units <= .*;",
        becomes="s1_units <= 0;",
        test="tags_out_of_range",
        message="head__(error_load|finish_load)",
    ),
    Fault(
        name="second-wave-not-masked",
        soak=True,
        line=r"masks <= .*;",
        becomes="masks <= 0;",
        test="tags_out_of_range",
        message="(head__wave|psum_slice__commit)",
    ),
    Fault(
        name="candidates-one-early",
        soak=True,
        line=r"s2_candidates0 <= .*;",
        becomes="s2_candidates0 <= x_in[122:27];",
        test="sparse_tiles",
        message="array__p",
    ),
    Fault(
        name="first-column-chooses-as-the-tile-before",
        line=r"(assign \\pick\$\d+ \s*= )x_in\[25\] \? \S+\s*: (\S+)\s*;",
        becomes=r"\1\2 ;",
        test="sparse_tiles",
        message="array__p",
    ),
    Fault(
        name="load-overtaken-by-its-swap",
        soak=True,
        line=r"(assign \S+ = next\[\d+\]) & tags_first;",
        becomes=r"\1 & 1'h0;",
        test="sparse_tiles",
        message="head__(control|stalled)",
    ),
)

BACKGROUND_FAULTS = (
    Fault(
        name="turn-in-every-row",
        soak=True,
        line=r"assign \\x\.turn  = (control_in\[\d+\]) & \S+;",
        becomes=r"assign \\x.turn  = \1;",
        test="ragged_programs",
        message="tensor_edge__x",
    ),
    Fault(
        name="bits-a-register-early",
        line=r"assign bits_out = { s2_bits_valid, s2_bits };",
        becomes="assign bits_out = { s1_bits_valid, s1_bits };",
        test="ragged_programs",
        message="array__bits",
    ),
    Fault(
        name="exponent-of-a-stationary-operand",
        soak=True,
        line=r"(moved\[\d+:\d+\] } = bits\[14:11\]) - 1'h1;",
        becomes=r"\1;",
        times=2,
        test="ragged_programs",
        message="psum_slice__moved",
    ),
    Fault(
        name="destinations-side-by-side",
        soak=True,
        line=r"= address \+ stride;",
        becomes="= address + 1'h1;",
        test="ragged_programs",
        message="head__background",
    ),
    Fault(
        name="bank-of-sums-not-looked-at",
        line=r"= ahead \| \S+ ;",
        becomes="= 8'h00;",
        test="ragged_programs",
        message="sequencer__tensor__ready",
    ),
    Fault(
        name="bank-of-bits-not-looked-at",
        soak=True,
        line=r"assign take = (\S+) & \S+;",
        becomes=r"assign take = \1;",
        test="transposes_beside_matmuls",
        message="(head__(control|stalled)|sequencer__tensor__ready)",
    ),
    Fault(
        name="told-as-they-end",
        line=r"assign takes_finished = \S+ & (\S+);",
        becomes=r"assign takes_finished = \1;",
        test="transposes_beside_matmuls",
        message="head__finish_matmul",
    ),
)


GROUPS = {"4x4-icarus": FAULTS, "4x4-sparse": SPARSE_FAULTS, "4x4-deep": BACKGROUND_FAULTS}
"""By the case that sees them."""
PLANTED = [(name, fault) for name, faults in GROUPS.items() for fault in faults]


def tensor_bench_catches(name, fault):
    where = rf"last tags issued: (none|tensor \d+): cycle \d+, port {fault.message}\S*"
    caught("tensor", name, fault, says=rf"{fault.test}: .*{where}: RTL (0x|undefined)")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault"), [each for each in PLANTED if not each[1].soak], ids=str)
def test_tensor_bench_catches(name, fault):
    tensor_bench_catches(name, fault)
