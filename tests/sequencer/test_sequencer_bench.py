"""Runs verif/sequencer: Verilator and, with fewer instructions, Icarus."""

import pytest

from makalu.hw.sequencer.sequencer import Sequencer
from makalu.spec.preset import load_preset
from makalu.sw.rtl.runner import run_bench
from verif.sequencer.programs import INNER

TESTS = 14
FEW = {"length": 12, "rounds": 1, "mutants": 3}


def bench(preset, simulator, params, module="test_sequencer"):
    return run_bench(
        Sequencer(config=load_preset(preset)),
        name=f"sequencer-{preset}",
        test_module=f"verif.sequencer.{module}",
        kept=True,
        simulator=simulator,
        params={"preset": preset, **params},
        inner=INNER,
    )


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_sequencer_verilator(seed):
    assert bench("tiny", "verilator", {"length": 120, "rounds": 3, "mutants": 10, "seed": seed}) == TESTS


def test_control_port_outside_master():
    assert bench("tiny", "verilator", {}, "test_control_axi") == 1


@pytest.mark.parametrize("seed", [1, 2])
def test_instruction_port_outside_slave(seed):
    assert bench("tiny", "verilator", {"seed": seed}, "test_instructions_axi") == 1


@pytest.mark.slow
def test_sequencer_wide_bus_verilator():
    assert bench("trn2-mini", "verilator", {"length": 40, "rounds": 1, "mutants": 10, "seed": 3}) == TESTS


@pytest.mark.icarus
@pytest.mark.slow
def test_sequencer_icarus():
    assert bench("tiny", "icarus", FEW) == TESTS
