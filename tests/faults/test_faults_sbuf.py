"""Faults planted into the emitted Verilog of arbiter, SBUF slice and PSUM slice: the benches must name a port.

The RTL has no switch for them: a fault is a line of the emitted text that is replaced. Each replacement says how often
its line occurs, so a fault that no longer fits the text is an error and not a test that passes.
"""

import re
from dataclasses import dataclass

import pytest

from makalu.hw.lib.emit import Emission
from makalu.sw.rtl.runner import BenchFailure, cocotb_bench, have_icarus
from verif.lib.variants import bench_config
from verif.psum.assembly import PsumAssembly
from verif.sbuf.assembly import SbufAssembly

CYCLES = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    name: str
    line: str
    """Regular expression of the line, from its first word to the semicolon."""
    becomes: str
    times: int
    port: str
    """The port at which the bench must see it first."""


SBUF = (
    Fault(
        name="merge-ignored",
        line=r"assign reads_first(\d) = .*;",
        becomes=r"assign reads_first\1 = 1'h0;",
        times=2,
        port="grant",
    ),
    Fault(
        name="conflict-ignored",
        line=r"assign sbuf_goes(\d) = request\[(\d+)\] .*;",
        becomes=r"assign sbuf_goes\1 = request[\2];",
        times=2,
        port="grant",
    ),
    Fault(name="turn-stuck", line=r"sbuf_turn <= .*;", becomes="sbuf_turn <= 1'h0;", times=1, port="grant"),
    Fault(
        name="owner-ignored",
        line=r"assign owned_from(\d) = .*;",
        becomes=r"assign owned_from\1 = 8'h00;",
        times=2,
        port="psum_grant",
    ),
    Fault(
        name="partitions-ignored",
        line=r"assign takes_part(\d) = access\[(\d+)\] .*;",
        becomes=r"assign takes_part\1 = access[\2];",
        times=2,
        port="(read_data|written_a)",
    ),
)
PSUM = (
    Fault(
        name="wave-one-early",
        line=r"s2_address <= s1_address;",
        becomes="s2_address <= wave_in[9:1];",
        times=1,
        port="commit",
    ),
    Fault(
        name="columns-ignored",
        line=r"assign takes_part = wave_in\[0\] .*;",
        becomes="assign takes_part = wave_in[0];",
        times=1,
        port="commit",
    ),
    Fault(name="old-of-bank-0", line=r"s1_bank0 <= .*;", becomes="s1_bank0 <= 3'h0;", times=1, port="commit"),
)


def caught(component, fault, test_module):
    simulator = "icarus" if have_icarus() else "verilator"  # either shows it; Icarus builds faster
    text = Emission().verilog(component, name="dut", icarus=simulator == "icarus")
    text, times = re.subn(rf"(?m)^(\s*){fault.line}", lambda m: m.expand(rf"\g<1>{shifted(fault.becomes)}"), text)
    assert times == fault.times, f"{fault.name}: its line occurs {times} times, not {fault.times}"
    with pytest.raises(BenchFailure, match=rf"cycle \d+, port {fault.port}: RTL 0x"):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"fault-{fault.name}",
            test_module=test_module,
            simulator=simulator,
            params={"config": "tiny", "cycles": CYCLES},
        )


def shifted(replacement):
    """The indentation is group 1 of the whole expression: the line's own groups move up by one."""
    return re.sub(r"\\(\d)", lambda m: rf"\g<{int(m[1]) + 1}>", replacement)


@pytest.mark.slow
@pytest.mark.parametrize("fault", SBUF, ids=lambda f: f.name)
def test_sbuf_bench_catches(fault):
    caught(SbufAssembly(config=bench_config("tiny")), fault, "verif.sbuf.test_sbuf")


@pytest.mark.slow
@pytest.mark.parametrize("fault", PSUM, ids=lambda f: f.name)
def test_psum_bench_catches(fault):
    caught(PsumAssembly(config=bench_config("tiny")), fault, "verif.psum.test_psum")
