"""Faults planted into the emitted Verilog of the DMA: the bench's named test must fail, at the named port or rule."""

import re
from dataclasses import dataclass

import pytest

from makalu.hw.lib.emit import Emission
from makalu.sw.rtl.runner import BenchFailure, cocotb_bench
from verif.dma.assembly import DmaAssembly
from verif.dma.configs import dma_config

CONFIG = "tiny"


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    line: str
    becomes: str
    times: int
    test: str
    """Of `verif/dma/test_dma.py`, and the only one that runs."""
    message: str


FAULTS = (
    Fault(
        name="wready-ignored",
        line=r"(assign out_ready = \\\$\d+\s*\|) bus__w__ready;",
        becomes=r"\1 1'h1;",
        times=1,
        test="random_descriptors",
        message="port bus__w__",
    ),
    Fault(
        name="strobe-dropped",
        line=r"bus__w__strb <= (.*);",
        becomes=r"bus__w__strb <= \1 & 8'hfe;",
        times=1,
        test="ragged_offsets",
        message="port bus__w__(data|strb)",
    ),
    Fault(
        name="page-ignored",
        line=r"assign crosses = piece > .*;",
        becomes="assign crosses = 1'h0;",
        times=3,
        test="pages",
        message="port bus__a[rw]__",
    ),
    Fault(
        name="merge-ignored",
        line=r"assign partial = .*;",
        becomes="assign partial = 1'h0;",
        times=1,
        test="ragged_offsets",
        message=r"port sbuf\d\.write",
    ),
    Fault(
        name="read-error-ignored",
        line=r"assign error = .* & bus__r__resp\[1\];",
        becomes="assign error = 1'h0;",
        times=1,
        test="read_errors",
        message="port (sbuf|bus__ar|bus__r|load__ready)",
    ),
    Fault(
        name="never-stalled",
        line=r"(?m)^(    stalled) <= .*;",
        becomes=r"\1 <= 1'h0;",
        times=1,
        test="sparse_descriptors",
        message="port stalled: RTL 0x0, model 0x1",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_planted_fault_is_caught(fault):
    text = Emission().verilog(DmaAssembly(config=dma_config(CONFIG)), name="dut")
    text, times = re.subn(fault.line, fault.becomes, text)
    assert times == fault.times, f"{fault.line} is {times} times in the Verilog, not {fault.times}"
    with pytest.raises(BenchFailure, match=rf"test_dma\.{fault.test}: .*{fault.message}"):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"dma-fault-{fault.name}",
            test_module="verif.dma.test_dma",
            params={"config": CONFIG, "descriptors": 10, "ragged": 20, "points": []},
            test_filter=f"{fault.test}$",
        )
