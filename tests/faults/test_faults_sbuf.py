"""Faults planted into the emitted Verilog of arbiter, SBUF slice and PSUM slice: the benches must name a port."""

import pytest

from tests.faults.planting import Fault, caught

SBUF = (
    Fault(
        name="merge-ignored",
        line=r"assign reads_first(\d) = .*;",
        becomes=r"assign reads_first\1 = 1'h0;",
        times=2,
        message="arbiter__grant",
    ),
    Fault(
        name="conflict-ignored",
        line=r"assign sbuf_goes(\d) = request\[(\d+)\] .*;",
        becomes=r"assign sbuf_goes\1 = request[\2];",
        times=2,
        message="arbiter__grant",
    ),
    Fault(
        name="turn-stuck",
        line=r"(?<=\s)sbuf_turn <= .*;",
        becomes="sbuf_turn <= 1'h0;",
        times=3,
        message="arbiter__grant",
    ),
    Fault(
        name="owner-ignored",
        line=r"assign owned_from(\d) = .*;",
        becomes=r"assign owned_from\1 = 8'h00;",
        times=2,
        message="arbiter__psum_grant",
    ),
    Fault(
        name="partitions-ignored",
        line=r"assign takes_part(\d) = access\[(\d+)\] .*;",
        becomes=r"assign takes_part\1 = access[\2];",
        times=2,
        message="sbuf_slice__(read_data|written_a)",
    ),
)
PSUM = (
    Fault(
        name="wave-one-early",
        line=r"(?<=\s)s2_address <= s1_address;",
        becomes="s2_address <= wave_in[9:1];",
        message="psum_slice__commit",
    ),
    Fault(
        name="columns-ignored",
        line=r"assign takes_part = wave_in\[0\] .*;",
        becomes="assign takes_part = wave_in[0];",
        message="psum_slice__commit",
    ),
    Fault(
        name="old-of-bank-0", line=r"(?<=\s)s1_bank0 <= .*;", becomes="s1_bank0 <= 3'h0;", message="psum_slice__commit"
    ),
)


SAYS = r"cycle \d+, port {}\S*: RTL 0x"
PARAMS = {"cycles": 200}


@pytest.mark.slow
@pytest.mark.parametrize("fault", SBUF, ids=str)
def test_sbuf_bench_catches(fault):
    caught("sbuf", "tiny-icarus", fault, says=SAYS.format(fault.message), params=PARAMS)


BF16_SUMS = (
    Fault(
        name="ties-up",
        line=r"assign increment = i\[15\] & \w+;",
        becomes="assign increment = i[15];",
        message="psum_slice__commit",
    ),
    Fault(
        name="old-upper-half",
        line=r"(assign \\?old\S* +)= (\w+) \? old : \{ \w+, 16'h0000 \};",
        becomes=r"\1= \2 ? old : { old[31:16], 16'h0000 };",
        message="psum_slice__commit",
    ),
)
"""In the text of a core that has such sums."""


STOCHASTIC_SUMS = (
    Fault(
        name="every-write-draws",
        line=r"(assign \\?step\S* +)= (\w+) & s4_rounding;",
        becomes=r"\1= commit[0];",
        message="psum_slice__commit",
    ),
    Fault(
        name="never-steps",
        line=r"(assign \\?step\S* +)= (\w+) & s4_rounding;",
        becomes=r"\1= 0;",
        message="psum_slice__commit",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("fault", STOCHASTIC_SUMS, ids=str)
def test_psum_bench_catches_in_sums_rounded_stochastically(fault):
    caught("psum", "stochastic", fault, says=SAYS.format(fault.message), params=PARAMS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", BF16_SUMS, ids=str)
def test_psum_bench_catches_in_sums_of_bf16(fault):
    caught("psum", "psum-add-2", fault, says=SAYS.format(fault.message), params=PARAMS)


@pytest.mark.slow
@pytest.mark.parametrize("fault", PSUM, ids=str)
def test_psum_bench_catches(fault):
    caught("psum", "tiny-icarus", fault, says=SAYS.format(fault.message), params=PARAMS)
