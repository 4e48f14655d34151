"""Faults planted into the emitted Verilog of the tensor engine: the bench must name the port, in the test meant for it.

The RTL has no switch for them: a fault is a line of the emitted text that is replaced. How often the line occurs is
checked, so a fault that no longer fits the text is an error and not a test that passes.
"""

import re
from dataclasses import dataclass

import pytest

from makalu.hw.lib.emit import Emission
from makalu.sw.rtl.runner import BenchFailure, cocotb_bench, have_icarus
from verif.tensor.assembly import TensorAssembly
from verif.tensor.configs import small_core

CONFIG = {"partitions": 4, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
COMMANDS = 40


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    line: str
    """Regular expression of the text that is replaced."""
    becomes: str
    test: str
    """The cocotb test that must fail."""
    port: str
    """The port at which it must see it first."""


FAULTS = (
    Fault(
        name="skew-one-more",
        line=r"always @\(posedge clk\)\s+control_out <= (.*);",
        becomes=r"reg [39:0] late = 0; always @(posedge clk) begin late <= \1; control_out <= late; end",
        test="first_pair",
        port="(sbuf|x|w)",
    ),
    Fault(
        name="hazard-ignored",
        line=r"assign hit = .*;",
        becomes="assign hit = 1'h0;",
        test="destinations_that_return",
        port="(control|stalled)",
    ),
    Fault(
        name="swap-lost",
        line=r"(?<=\s)column <= (.*);",
        becomes=r"column <= \1 & 6'h3d;",
        test="tiles_back_to_back",
        port="control",
    ),
    Fault(
        name="wave-one-early",
        line=r"s6_value <= .*;",
        becomes="s6_value <= s4_value;",
        test="ragged_programs",
        port="wave",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_tensor_bench_catches(fault):
    simulator = "icarus" if have_icarus() else "verilator"  # either shows it; Icarus builds faster
    component = TensorAssembly(config=small_core(**CONFIG))
    text = Emission().verilog(component, name="dut", icarus=simulator == "icarus")
    text, times = re.subn(fault.line, fault.becomes, text)
    assert times == 1, f"{fault.name}: its line occurs {times} times, not once"
    first = rf"{fault.test}: .*last tags issued: tensor \d+: cycle \d+, port {fault.port}: RTL 0x"
    with pytest.raises(BenchFailure, match=first):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"fault-{fault.name}",
            test_module="verif.tensor.test_tensor",
            simulator=simulator,
            params={"config": CONFIG, "commands": COMMANDS},
        )
