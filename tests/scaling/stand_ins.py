"""Runs that nobody measured, with the shares of limits that a test wants, for every row of the suite."""

from makalu.spec.preset import load_preset
from makalu.sw.cli.scaling import PRESETS
from makalu.sw.cli.scaling.measure import rows
from makalu.sw.cli.scaling.runs import BY, Run
from makalu.sw.cli.scaling.tables import Report

__all__ = ["ENERGIES", "report", "stand_in"]

ENERGIES = {("trn3", "bf16"): 4.25}


def stand_in(preset, kernel, kind, *, share=0.5, **changes):
    """`share` of the array, or of a copy's limit; a copy moves as much each way."""
    config = load_preset(preset)
    cycles = 10_000
    macs = 0 if kernel.name == "copy" else round(share * kind.ceiling(config) * cycles)
    each = float(min(config.memory.rate / 2, config.bus.data_bytes))
    moved = round((share if kernel.name == "copy" else 0.3) * each * cycles)
    given = {"by": BY[0], "cycles": cycles, "total_cycles": cycles if kernel.whole else 2 * cycles, "macs": macs}
    given |= {"bytes_read": moved, "bytes_written": moved, "compared": 100}
    return Run(preset=preset, kernel=kernel.name, kind=kind.name, **(given | changes))


def report(shares=None):
    """Of every row of every preset; `shares` by preset."""
    shares = shares or {}
    runs = []
    for presets in PRESETS.values():
        for name in presets:
            config = load_preset(name)
            runs += [stand_in(name, kernel, kind, share=shares.get(name, 0.5)) for kernel, kind in rows(config)]
    return Report(runs, ENERGIES)
