"""The Verilog of the full core: how long it takes to generate, and how large it is."""

import tempfile
import time
from pathlib import Path

from rich.console import Console

from makalu.hw.generate import generate
from makalu.spec.preset import load_preset
from makalu.sw.cli.bench.figure_table import print_figures
from makalu.sw.cli.generate import text_figures
from makalu.sw.results import Figure, at_most

__all__ = ["PRESET", "measure"]

PRESET = "trn2"
MOST = {"seconds": 60, "bytes": 5_000_000, "modules": 128}
"""A component is one module, however often it is there: an emission that repeats some has thousands."""


def measure(console: Console) -> list[Figure]:
    """Generated once, into a folder that goes."""
    with tempfile.TemporaryDirectory() as folder, console.status(f"generating {PRESET}"):
        began = time.monotonic()
        verilog = generate(load_preset(PRESET), Path(folder)).verilog
        values = text_figures(verilog, began)
    figures = [at_most(f"text_{name}", value, unit, bar=MOST[name], kind="must") for name, value, unit in values]
    print_figures(f"Verilog of {PRESET}", figures, console)
    return figures
