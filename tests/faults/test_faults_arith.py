"""Planted faults in PE, array and the clocks of idle tiles: the benches must fail, each in the named test."""

from dataclasses import replace

import pytest

from makalu.hw.arith import chain_adder
from makalu.hw.arith.assembly import OUTPUTS
from makalu.hw.tensor import pe
from makalu.hw.tensor.tile import PeTile
from makalu.sw.rtl.runner import BenchFailure
from tests.faults.planting import SIMULATOR, Fault, caught, planted_class
from verif.lib.cases import case_text, find_case, run_case

PE = "2-1-keep-icarus"

COUNT_BIT = Fault(name="count-bit", line=r"(assign sum_count0_9 =) ~ ?(.*;)", becomes=r"\1 \2")
"""Of two places, behind 18 that cancelled."""
EMPTY_FLAG = Fault(name="empty-flag", line=r"(assign sum_empty1_4 =) .*;", becomes=r"\1 1'h0;")
LOST_PLACE = Fault(name="lost-place", line=r"(assign marker\[3\] =) .*;", becomes=r"\1 1'h0;")
"""Of exponent 24, which one pair of significands shows."""
WRONG_PLACE = Fault(name="wrong-place", line=r"(assign marker\[12\] =) .*;", becomes=r"\1 marker[11];")
"""Exponent 15 loses its place and 16 has two: the wrong one counts first."""


def run_pe():
    """What was replaced in this process is emitted: nothing kept is taken."""
    run_case(find_case("pe", PE), simulator=SIMULATOR, params={"cycles": 1000}, kept=False)


def test_lost_guard_bit_is_caught(monkeypatch):
    monkeypatch.setattr(chain_adder, "GUARD_BITS", chain_adder.GUARD_BITS - 1)
    monkeypatch.setattr(chain_adder, "FRAME_BITS", chain_adder.FRAME_BITS - 1)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe()


def test_inactive_x_that_decides_the_alignment_is_caught(monkeypatch):
    monkeypatch.setattr(pe, "ZERO_EXPONENT", 0)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe()


def test_array_one_cycle_early_is_caught():
    case = find_case("array", "4x4-of-2x2-icarus")
    early = case_text(case.with_config({**case.config, "mul_stages": 1}))
    with pytest.raises(BenchFailure, match="test_array.random_waves"):
        run_case(case, text=early, simulator=SIMULATOR, params={"matmuls": 4})


@pytest.mark.parametrize("early", [3, 6])
def test_idle_clock_that_stops_too_early_is_caught(early, monkeypatch):
    """A tile rests `early` cycles before its formula says, which is 7 cycles here; `idle` of the table has none."""
    settle = PeTile._settle
    monkeypatch.setattr(PeTile, "_settle", lambda tile: settle(tile) - early)
    with pytest.raises(BenchFailure, match=r"test_array.phases: .*cycle \d+, port p\d: RTL 0x"):
        run_case(find_case("array", "idle-icarus"), simulator=SIMULATOR, params={"matmuls": 4}, kept=False)


def test_wrong_sign_of_a_zero_sum_is_caught(monkeypatch):
    """-0 * 1 + -0 as +0: one triple of classes in hundreds, and no random vector is there to help."""
    rule = "self._sign & ~(self._subtract & zero)"
    adder = planted_class("arith.chain_adder.ChainAdder", rule, "self._sign & ~zero")
    monkeypatch.setattr("makalu.hw.arith.assembly.ChainAdder", adder)
    with pytest.raises(BenchFailure, match=r"test_arith.chain: .*operation='fma'.*: 0x0, not 0x80000000"):
        params = {"vectors": 8, "enabled_vectors": 8, "least": 0}
        run_case(find_case("arith", "units"), simulator=SIMULATOR, params=params, kept=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "fault"),
    [
        ("random_cycles", COUNT_BIT),
        ("random_cycles", EMPTY_FLAG),
        ("cancellation", LOST_PLACE),
        ("cancellation", WRONG_PLACE),
    ],
    ids=str,
)
def test_pe_bench_catches_what_deep_sums_show(test, fault):
    says = rf"test_pe.{test}: .*cycle \d+, port p_out: RTL 0x"
    caught("pe", PE, replace(fault, test=test), says=says, params={"cycles": 1000})


@pytest.mark.slow
@pytest.mark.parametrize(("test", "fault"), [("dense_traffic", COUNT_BIT), ("cancellation", LOST_PLACE)], ids=str)
def test_psum_bench_catches_what_deep_sums_show(test, fault):
    says = rf"test_psum.{test}: .*cycle \d+, port psum_slice__commit\S*: RTL 0x"
    caught("psum", "tiny", replace(fault, test=test), says=says, params={"cycles": 400})


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seed"), [(LOST_PLACE, 1), (LOST_PLACE, 2), (WRONG_PLACE, 3)], ids=str)
def test_place_of_the_marker_is_caught_with_any_seed(fault, seed):
    """By the cancellations alone: there is no special and hardly a random vector."""
    adders = sum(o.operation in ("fma", "quad", "psum", "add") and o.subnormals == "keep" for o in OUTPUTS)
    few = {"vectors": 8, "enabled_vectors": 8, "specials": False, "least": 0, "seed": seed}
    says = r"test_arith.chain: .*operation='fma'.* differ, first"
    caught("arith", "units", replace(fault, test="chain", times=adders), says=says, params=few)
