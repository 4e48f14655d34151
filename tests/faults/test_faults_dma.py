"""Faults planted into the emitted Verilog of the DMA: the named test must fail, at the port, rule or assertion."""

import pytest

from tests.faults.planting import Fault, caught

FAULTS = (
    Fault(
        name="wready-ignored",
        line=r"(assign out_ready = \S+\s*\|) bus__w__ready;",
        becomes=r"\1 1'h1;",
        test="random_descriptors",
        message="port data__w__",
    ),
    Fault(
        name="strobe-dropped",
        line=r"bus__w__strb <= (.*);",
        becomes=r"bus__w__strb <= \1 & 8'hfe;",
        test="ragged_offsets",
        message="port data__w__(data|strb)",
    ),
    Fault(
        name="page-ignored",
        line=r"assign crosses = piece > .*;",
        becomes="assign crosses = 1'h0;",
        times=3,
        test="pages",
        message=r"(?s:.*)no burst crosses a page of memory",
    ),
    Fault(
        name="merge-ignored",
        line=r"assign partial = .*;",
        becomes="assign partial = 1'h0;",
        test="ragged_offsets",
        message=r"port dma_lane__sbuf\[\d\]\.write",
    ),
    Fault(
        name="read-error-ignored",
        line=r"assign error = .* & bus__r__resp\[1\];",
        becomes="assign error = 1'h0;",
        test="read_errors",
        message="port (dma_lane__sbuf|data__ar|data__r|sequencer__dma_load__ready)",
    ),
    Fault(
        name="read-error-before-its-handshake",
        line=r"assign error = \S+ & bus__r__resp\[1\];",
        becomes="assign error = in_valid & bus__r__resp[1];",
        test="read_errors",
        message="port (dma_lane__sbuf|data__ar|data__r|sequencer__dma_load__ready)",
    ),
    Fault(
        name="descriptors-outlive-a-reset",
        line=r"always @\(posedge clk\)\s+held <= (.*);",
        becomes=r"integer kept = 0; always @(posedge clk) begin held <= rst ? kept : \1; if (!rst) kept <= \1; end",
        times=2,
        test="reset_in_traffic",
        message=r"cycle \d, port (dma__active|sequencer__dma)_(load|store)",
    ),
    Fault(
        name="a-load-hides-a-store-that-waits",
        line=r"(?m)^(    stalled_store) <= (.*);",
        becomes=r"\1 <= \2 & ~moved_load;",
        test="sparse_descriptors",
        message="port dma__stalled_store: RTL 0x0, model 0x1",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_planted_fault_is_caught(fault):
    says = rf"test_dma\.{fault.test}: .*{fault.message}"
    caught("dma", "tiny-icarus", fault, says=says, params={"descriptors": 10, "ragged": 20, "far": 4})
