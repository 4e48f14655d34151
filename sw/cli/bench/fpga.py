"""One PE and a small array, placed and routed for an ECP5."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from makalu.spec.background import BACKGROUND_BITS
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.fpga import place_and_route

__all__ = ["measure"]

LUT_GOAL, MULT_GOAL, MHZ_GOAL = 800, 1, 90.0
RATIO_GOALS = {2: 1.40, 4: 1.85}
"""LUT4 of a PE with so many products a cycle, beside one with one."""
MUL_STAGES = {1: 2, 2: 2, 4: 3}
GOAL_CASE = "fpga_pe_L3_keep"
_CASES = [("pe", stages, mode, 1, 1, 0) for stages in (1, 2, 3) for mode in ("keep", "flush")]
_CASES += [("pe", stages, "keep", products, 1, 0) for products in (2, 4) for stages in (2, 3)]
_CASES += [
    ("pe", 3, "keep", products, candidates, 0) for products, candidates in ((1, 4), (1, 8), (1, 16), (2, 16), (4, 16))
]
_CASES += [("pe", 3, "keep", products, candidates, BACKGROUND_BITS) for products, candidates in ((1, 1), (4, 16))]
_CASES += [("array", stages, "keep", 1, 1, 0) for stages in (1, 2, 3)] + [("array", 3, "flush", 1, 1, 0)]
_SPEEDS = ("MHz -6", "MHz -7", "MHz -8")
_HEADINGS = (
    "part",
    "L",
    "subnormals",
    "products",
    "candidates",
    "bits",
    "seeds",
    "LUT4",
    "CCU2C",
    "COMB",
    "FF",
    "MULT18",
    *_SPEEDS,
)
_CELLS = ("lut4", "ccu2c", "comb", "ff", "mult18")


def measure(console: Console) -> list[Figure]:
    """Cells, and fmax by speed grade as the mean over the seeds of the part, out of context."""
    figures: list[Figure] = []
    table = Table(title="ECP5-85, out of context, means over seeds: yosys synth_ecp5 -nowidelut, nextpnr-ecp5")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    for part, stages, mode, products, candidates, bits in _CASES:
        what = f"{part}, L = {stages}, {mode}, products a cycle: {products}, candidates: {candidates}, bits: {bits}"
        with console.status(f"placing and routing {what}"):
            report = place_and_route(
                part,
                add_stages=stages,
                mul_stages=MUL_STAGES[products],
                subnormals=mode,
                products=products,
                candidates=candidates,
                background_bits=bits,
            )
        name = f"fpga_{part}_L{stages}_{mode}" + (f"_{products}" if products > 1 else "")
        name += f"_of{candidates}" if candidates > 1 else ""
        name += "_turning" if bits else ""
        clocks = {speed: round(fmean(by_seed.values()), 1) for speed, by_seed in report["fmax_mhz"].items()}
        seeds = len(next(iter(report["fmax_mhz"].values())))
        values = {key: report[key] for key in _CELLS}
        figures.append(Figure(name=f"{name}_seeds", value=seeds, unit="runs"))
        figures += [_cells(name, key, value) for key, value in values.items()]
        figures += [_clock(name, speed, value) for speed, value in clocks.items()]
        table.add_row(
            part,
            str(stages),
            mode,
            str(products),
            str(candidates),
            str(bits),
            str(seeds),
            *map(str, values.values()),
            *map(str, clocks.values()),
        )
    console.print(table)
    return figures + _ratios({figure.name: figure.value for figure in figures})


def _ratios(values: Mapping[str, Any]) -> list[Figure]:
    out = []
    for products, goal in RATIO_GOALS.items():
        for stages in (2, 3):
            base = f"fpga_pe_L{stages}_keep"
            ratio = round(values[f"{base}_{products}_lut4"] / values[f"{base}_lut4"], 3)
            out.append(at_most(f"{base}_{products}_ratio", ratio, "x", bar=goal, kind="goal"))
    return out


def _cells(name: str, key: str, value: int) -> Figure:
    bar = {"lut4": LUT_GOAL, "mult18": MULT_GOAL}.get(key) if name == GOAL_CASE else None
    if bar is None:
        return Figure(name=f"{name}_{key}", value=value, unit="cells")
    return at_most(f"{name}_{key}", value, "cells", bar=bar, kind="goal")


def _clock(name: str, speed: str, value: float) -> Figure:
    if speed == "8" and name in (GOAL_CASE, *(f"{GOAL_CASE}_{products}" for products in RATIO_GOALS)):
        return at_least(f"{name}_mhz_{speed}", value, "MHz", bar=MHZ_GOAL, kind="goal")
    return Figure(name=f"{name}_mhz_{speed}", value=value, unit="MHz")
