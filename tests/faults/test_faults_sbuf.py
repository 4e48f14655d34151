"""Faults planted into the emitted Verilog of arbiter, SBUF slice and PSUM slice: the benches must name a port."""

import pytest

from makalu.sw.rtl.runner import BenchFailure, cocotb_bench, have_icarus
from tests.faults.planting import Fault, planted
from verif.lib.variants import bench_config
from verif.psum.assembly import PsumAssembly
from verif.sbuf.assembly import SbufAssembly

CYCLES = 200


SBUF = (
    Fault(
        name="merge-ignored",
        line=r"assign reads_first(\d) = .*;",
        becomes=r"assign reads_first\1 = 1'h0;",
        times=2,
        message="grant",
    ),
    Fault(
        name="conflict-ignored",
        line=r"assign sbuf_goes(\d) = request\[(\d+)\] .*;",
        becomes=r"assign sbuf_goes\1 = request[\2];",
        times=2,
        message="grant",
    ),
    Fault(name="turn-stuck", line=r"(?<=\s)sbuf_turn <= .*;", becomes="sbuf_turn <= 1'h0;", message="grant"),
    Fault(
        name="owner-ignored",
        line=r"assign owned_from(\d) = .*;",
        becomes=r"assign owned_from\1 = 8'h00;",
        times=2,
        message="psum_grant",
    ),
    Fault(
        name="partitions-ignored",
        line=r"assign takes_part(\d) = access\[(\d+)\] .*;",
        becomes=r"assign takes_part\1 = access[\2];",
        times=2,
        message="(read_data|written_a)",
    ),
)
PSUM = (
    Fault(
        name="wave-one-early",
        line=r"(?<=\s)s2_address <= s1_address;",
        becomes="s2_address <= wave_in[9:1];",
        message="commit",
    ),
    Fault(
        name="columns-ignored",
        line=r"assign takes_part = wave_in\[0\] .*;",
        becomes="assign takes_part = wave_in[0];",
        message="commit",
    ),
    Fault(name="old-of-bank-0", line=r"(?<=\s)s1_bank0 <= .*;", becomes="s1_bank0 <= 3'h0;", message="commit"),
)


def caught(component, fault, test_module):
    simulator = "icarus" if have_icarus() else "verilator"  # either shows it; Icarus builds faster
    text = planted(component, fault, icarus=simulator == "icarus")
    with pytest.raises(BenchFailure, match=rf"cycle \d+, port {fault.message}: RTL 0x"):
        cocotb_bench(
            sources={"dut.v": text},
            top="dut",
            name=f"fault-{fault.name}",
            test_module=test_module,
            simulator=simulator,
            params={"config": "tiny", "cycles": CYCLES},
        )


@pytest.mark.slow
@pytest.mark.parametrize("fault", SBUF, ids=str)
def test_sbuf_bench_catches(fault):
    caught(SbufAssembly(config=bench_config("tiny")), fault, "verif.sbuf.test_sbuf")


@pytest.mark.slow
@pytest.mark.parametrize("fault", PSUM, ids=str)
def test_psum_bench_catches(fault):
    caught(PsumAssembly(config=bench_config("tiny")), fault, "verif.psum.test_psum")
