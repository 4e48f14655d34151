"""Runs verif/sequencer: Verilator and, with fewer instructions, Icarus."""

import pytest

from makalu.hw.sequencer.sequencer import Sequencer
from makalu.hw.spec.config import load_preset
from makalu.sw.rtl.runner import run_bench

FEW = {"length": 12, "rounds": 1, "mutants": 3}


def bench(preset, simulator, params, module="test_sequencer"):
    return run_bench(
        Sequencer(config=load_preset(preset)),
        name=f"sequencer-{preset}",
        test_module=f"verif.sequencer.{module}",
        simulator=simulator,
        params={"preset": preset, **params},
        build_args=["-Wno-WIDTHTRUNC"] if simulator == "verilator" else [],
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sequencer_verilator(seed):
    assert bench("tiny", "verilator", {"length": 120, "rounds": 3, "mutants": 40, "seed": seed}) == 13


def test_control_port_outside_master():
    assert bench("tiny", "verilator", {}, "test_control_axi") == 1


@pytest.mark.slow
def test_sequencer_wide_bus_verilator():
    assert bench("trn2-mini", "verilator", {"length": 60, "rounds": 1, "mutants": 20, "seed": 3}) == 13


@pytest.mark.icarus
@pytest.mark.slow
def test_sequencer_icarus():
    assert bench("tiny", "icarus", FEW) == 13
