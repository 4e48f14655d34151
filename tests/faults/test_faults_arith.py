"""Planted faults in PE, array and the clocks of idle tiles: the benches must fail, each in the named test."""

import pytest

from makalu.hw.arith import chain_adder
from makalu.hw.tensor import pe
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.tile import PeTile
from makalu.sw.rtl.runner import BenchFailure, have_icarus, run_bench
from tests.faults.planting import planted_class
from verif.arith.assembly import ArithAssembly
from verif.tensor.configs import small_core

SIMULATOR = "icarus" if have_icarus() else "verilator"  # either shows them; Icarus builds faster
ARRAY = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
STAGES = {"mul_stages": 2, "add_stages": 1, "subnormals": "keep"}


def run_pe(name, **params):
    run_bench(
        pe.Pe(tensor=small_core(partitions=4, word_bytes=8, **STAGES).tensor),
        name=f"fault-{name}",
        test_module="verif.pe.test_pe",
        simulator=SIMULATOR,
        params={"stages": STAGES, "cycles": 1000, "seed": 1, **params},
    )


def test_lost_guard_bit_is_caught(monkeypatch):
    monkeypatch.setattr(chain_adder, "GUARD_BITS", chain_adder.GUARD_BITS - 1)
    monkeypatch.setattr(chain_adder, "FRAME_BITS", chain_adder.FRAME_BITS - 1)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe("guard-bit")


def test_inactive_x_that_decides_the_alignment_is_caught(monkeypatch):
    monkeypatch.setattr(pe, "ZERO_EXPONENT", 0)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe("inactive")


def run_array(name, *, core, **options):
    run_bench(
        PeArray(config=small_core(**core)),
        name=f"fault-{name}",
        test_module="verif.array.test_array",
        simulator=SIMULATOR,
        params={"core": ARRAY, "matmuls": 4, "seed": 1},
        **options,
    )


def test_array_one_cycle_early_is_caught():
    with pytest.raises(BenchFailure, match="test_array.random_waves"):
        run_array("array", core={**ARRAY, "mul_stages": 1})


@pytest.mark.parametrize("early", [3, 6])
def test_idle_clock_that_stops_too_early_is_caught(early, monkeypatch):
    """A tile rests `early` cycles before its formula says, which is 7 cycles here; test_array_bench.py has no fault."""
    settle = PeTile._settle
    monkeypatch.setattr(PeTile, "_settle", lambda tile: settle(tile) - early)
    with pytest.raises(BenchFailure, match=r"test_array.phases: .*cycle \d+, port p\d: RTL 0x"):
        run_array("settle", core=ARRAY, idle_clocks=True)


def test_wrong_sign_of_a_zero_sum_is_caught(monkeypatch):
    """-0 * 1 + -0 as +0: one triple of classes in hundreds, and no random vector is there to help."""
    rule = "self._sign & ~(self._subtract & zero)"
    adder = planted_class("arith.chain_adder.ChainAdder", rule, "self._sign & ~zero")
    monkeypatch.setattr("verif.arith.assembly.ChainAdder", adder)
    with pytest.raises(BenchFailure, match=r"test_arith.chain: .*operation='fma'.*: 0x0, not 0x80000000"):
        run_bench(
            ArithAssembly(),
            name="fault-zero-sign",
            test_module="verif.arith.test_arith",
            params={"vectors": 8, "enabled_vectors": 8, "specials": True, "least": 0, "seed": 1},
        )
