"""The Verilog of the full cores: how long it takes to generate, how large it is, and what a generation adds."""

import tempfile
import time
from pathlib import Path

from rich.console import Console

from makalu.hw.generate import generate
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.generate import text_figures
from makalu.sw.results import Figure, at_most

__all__ = ["PRESETS", "measure"]

PRESETS = ("trn1", "trn2", "trn3")
MOST = {"seconds": 60, "bytes": 5_000_000, "modules": 200}
"""A component is one module, however often it is there: an emission that repeats some has thousands."""
LONGER = 1.6
"""Times the first one's time that the last one may take."""


def measure(console: Console) -> list[Figure]:
    """Each generated once, into a folder that goes."""
    figures, seconds = [], {}
    for preset in PRESETS:
        with tempfile.TemporaryDirectory() as folder, console.status(f"generating {preset}"):
            began = time.monotonic()
            verilog = generate(load_preset(preset), Path(folder)).verilog
            values = text_figures(verilog, began)
        seconds[preset] = float(values[0][1])
        figures += [
            at_most(f"text_{preset}_{name}", value, unit, bar=MOST[name], kind="must") for name, value, unit in values
        ]
    ratio = round(seconds[PRESETS[-1]] / max(seconds[PRESETS[0]], 0.1), 2)
    figures.append(at_most("text_longer", ratio, "x", bar=LONGER, kind="must"))
    print_figures("Verilog of the full cores", figures, console)
    return figures
