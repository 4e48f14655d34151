"""A GEMM of 8.6 thousand million MACs on the full core's RTL, from memory to memory: its bits and its cycles."""

import time

from rich.console import Console

from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.kernels import OPERAND, gemm_case, run_case
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.machine import Machine

__all__ = ["PRESET", "SIZE", "measure"]

PRESET = "trn2"
SIZE = 2048
RESIDENT = False
"""Panels come from memory while others are computed: that works for any size."""
SECONDS_GOAL = 480


def measure(console: Console) -> list[Figure]:
    """Against golden's bits and the timing model's cycles. `large_seconds` has all of it: compilation of the program,
    golden, the machine's build (also where an earlier one is taken), the run, both comparisons.
    """
    began = time.monotonic()
    config = load_preset(PRESET)
    machine = Machine(config=config, simulator="lanes", observe="trace", fast=True)
    built = machine.build(progress=True)
    with console.status(f"golden model of {SIZE}^3"):
        case = gemm_case(config, SIZE, SIZE, SIZE, resident=RESIDENT)
    prepared = time.monotonic()
    run = run_case(machine, case)
    ended = time.monotonic()
    seconds = ended - began + built.seconds * built.reused
    figures = [
        at_most("large_mismatched", run.mismatched, "values", bar=0, kind="must"),
        Figure(name="large_compared", value=run.compared, unit="values"),
        at_most("large_timing_difference", run.difference, "cycles", bar=0, kind="must"),
        Figure(name="large_events", value=run.events, unit="issues and finishes"),
        Figure(name="large_cycles", value=run.result.cycles, unit="cycles"),
        Figure(name="large_window", value=run.window, unit="cycles"),
        Figure(
            name="large_utilisation",
            value=SIZE**3 / (run.window * config.tensor.rows * config.tensor.columns),
            unit="share",
        ),
        Figure(name="large_build_seconds", value=round(built.seconds, 1), unit="s"),
        Figure(name="large_simulation_seconds", value=round(run.result.seconds, 1), unit="s"),
        Figure(name="large_judging_seconds", value=round(ended - prepared - run.result.seconds, 1), unit="s"),
        at_most("large_seconds", round(seconds, 1), "s", bar=SECONDS_GOAL, kind="goal"),
    ]
    title = f"{SIZE}^3 {OPERAND.name} GEMM from memory to memory on {PRESET}'s RTL, simulated by {machine.simulator}"
    print_figures(title, figures, console)
    if run.first is not None:
        console.print(run.first)
    return figures
