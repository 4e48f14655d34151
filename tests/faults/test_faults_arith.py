"""Planted faults in PE, array and the clocks of idle tiles: the benches must fail, each in the named test."""

from dataclasses import replace

import pytest

from makalu.hw.arith import chain_adder
from makalu.hw.arith.assembly import OUTPUTS, ArithAssembly
from makalu.hw.tensor import pe
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.tile import PeTile
from makalu.sw.rtl.runner import BenchFailure, have_icarus, run_bench
from tests.faults.planting import Fault, caught, planted_class
from verif.lib.variants import bench_config
from verif.psum.assembly import PsumAssembly
from verif.tensor.configs import small_core

SIMULATOR = "icarus" if have_icarus() else "verilator"  # either shows them; Icarus builds faster
ARRAY = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
STAGES = {"mul_stages": 2, "add_stages": 1, "subnormals": "keep"}
PE = {"stages": STAGES, "cycles": 1000, "seed": 1}

COUNT_BIT = Fault(name="count-bit", line=r"(assign sum_count0_9 =) ~ ?(.*;)", becomes=r"\1 \2")
"""Of two places, behind 18 that cancelled."""
EMPTY_FLAG = Fault(name="empty-flag", line=r"(assign sum_empty1_4 =) .*;", becomes=r"\1 1'h0;")
LOST_PLACE = Fault(name="lost-place", line=r"(assign marker\[3\] =) .*;", becomes=r"\1 1'h0;")
"""Of exponent 24, which one pair of significands shows."""
WRONG_PLACE = Fault(name="wrong-place", line=r"(assign marker\[12\] =) .*;", becomes=r"\1 marker[11];")
"""Exponent 15 loses its place and 16 has two: the wrong one counts first."""


def run_pe(name, **params):
    run_bench(
        pe.Pe(tensor=small_core(partitions=4, word_bytes=8, **STAGES).tensor),
        name=f"fault-{name}",
        test_module="verif.pe.test_pe",
        simulator=SIMULATOR,
        params={**PE, **params},
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
    monkeypatch.setattr("makalu.hw.arith.assembly.ChainAdder", adder)
    with pytest.raises(BenchFailure, match=r"test_arith.chain: .*operation='fma'.*: 0x0, not 0x80000000"):
        run_bench(
            ArithAssembly(),
            name="fault-zero-sign",
            simulator=SIMULATOR,
            test_module="verif.arith.test_arith",
            params={"vectors": 8, "enabled_vectors": 8, "specials": True, "least": 0, "seed": 1},
        )


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
    component = pe.Pe(tensor=small_core(partitions=4, word_bytes=8, **STAGES).tensor)
    says = rf"test_pe.{test}: .*cycle \d+, port p_out: RTL 0x"
    caught(component, replace(fault, test=test), module="verif.pe.test_pe", says=says, params=PE)


@pytest.mark.slow
@pytest.mark.parametrize(("test", "fault"), [("dense_traffic", COUNT_BIT), ("cancellation", LOST_PLACE)], ids=str)
def test_psum_bench_catches_what_deep_sums_show(test, fault):
    caught(
        PsumAssembly(config=bench_config("tiny")),
        replace(fault, test=test),
        module="verif.psum.test_psum",
        says=rf"test_psum.{test}: .*cycle \d+, port commit: RTL 0x",
        params={"config": "tiny", "cycles": 400},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "seed"), [(LOST_PLACE, 1), (LOST_PLACE, 2), (WRONG_PLACE, 3)], ids=str)
def test_place_of_the_marker_is_caught_with_any_seed(fault, seed):
    """By the cancellations alone: there is no special and hardly a random vector."""
    adders = sum(o.operation in ("fma", "psum", "add") and o.subnormals == "keep" for o in OUTPUTS)
    caught(
        ArithAssembly(),
        replace(fault, test="chain", times=adders),
        module="verif.arith.test_arith",
        says=r"test_arith.chain: .*operation='fma'.* differ, first",
        params={"vectors": 8, "enabled_vectors": 8, "specials": False, "least": 0, "seed": seed},
    )
