"""Planted faults in PE and array: the benches must fail, each in the named test."""

import pytest

from makalu.hw.arith import chain_adder
from makalu.hw.tensor import pe
from makalu.hw.tensor.array import PeArray
from makalu.sw.rtl.runner import BenchFailure, have_icarus, run_bench
from verif.tensor.configs import small_core

STAGES = {"mul_stages": 2, "add_stages": 1, "subnormals": "keep"}


def run_pe(name, **params):
    run_bench(
        pe.Pe(tensor=small_core(partitions=4, word_bytes=8, **STAGES).tensor),
        name=f"fault-{name}",
        test_module="verif.pe.test_pe",
        simulator="icarus",
        params={"stages": STAGES, "cycles": 1000, "seed": 1, **params},
    )


def test_lost_guard_bit_is_caught(monkeypatch):
    if not have_icarus():
        return
    monkeypatch.setattr(chain_adder, "GUARD_BITS", chain_adder.GUARD_BITS - 1)
    monkeypatch.setattr(chain_adder, "FRAME_BITS", chain_adder.FRAME_BITS - 1)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe("guard-bit")


def test_inactive_x_that_decides_the_alignment_is_caught(monkeypatch):
    if not have_icarus():
        return
    monkeypatch.setattr(pe, "ZERO_EXPONENT", 0)
    with pytest.raises(BenchFailure, match="test_pe.random_cycles"):
        run_pe("inactive")


def test_array_one_cycle_early_is_caught():
    if not have_icarus():
        return
    core = {"partitions": 4, "tile": 2, "word_bytes": 8, "mul_stages": 2, "add_stages": 1}
    with pytest.raises(BenchFailure, match="test_array.random_waves"):
        run_bench(
            PeArray(config=small_core(**{**core, "mul_stages": 1})),
            name="fault-array",
            test_module="verif.array.test_array",
            simulator="icarus",
            params={"core": core, "matmuls": 4, "seed": 1},
        )
