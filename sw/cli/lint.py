"""`makalu lint`: Verilator's opinion on generated Verilog."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from makalu.hw.generate import TOP, generate
from makalu.spec.preset import load_preset
from makalu.sw.rtl.simulators import WAIVED, lint

__all__ = ["command"]


def command(preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = "tiny") -> None:
    """Generate a preset and lint it; warnings that are waived by name are listed."""
    with tempfile.TemporaryDirectory() as folder:
        warnings = lint(generate(load_preset(preset), Path(folder)).verilog, top=TOP)
    typer.echo(warnings or f"{preset}: clean (waived: {', '.join(WAIVED)})")
    if warnings:
        raise typer.Exit(1)
