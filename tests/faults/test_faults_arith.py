"""Planted faults in PE, array and the clocks of idle tiles: the benches must fail, each in the named test."""

import pytest

from makalu.hw.arith import chain_adder
from makalu.hw.tensor import pe
from makalu.hw.tensor.tile import PeTile
from makalu.sw.rtl.runner import BenchFailure
from tests.faults.planting import SIMULATOR, planted_class
from verif.lib.cases import case_text, find_case, run_case


def run_pe():
    """What was replaced in this process is emitted: nothing kept is taken."""
    run_case(find_case("pe", "2-1-keep-icarus"), simulator=SIMULATOR, params={"cycles": 1000}, kept=False)


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
    early = case_text(case.with_config({**case.config, "mul_stages": 1}), simulator=SIMULATOR)
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
    monkeypatch.setattr("verif.arith.assembly.ChainAdder", adder)
    with pytest.raises(BenchFailure, match=r"test_arith.chain: .*operation='fma'.*: 0x0, not 0x80000000"):
        run_case(find_case("arith", "units"), params={"vectors": 8, "enabled_vectors": 8, "least": 0}, kept=False)
