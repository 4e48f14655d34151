"""`makalu generate`: Verilog and side file of a preset."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from makalu.hw.generate import generate
from makalu.hw.spec.config import load_preset
from makalu.sw.paths import BUILD

__all__ = ["command"]


class Observe(StrEnum):
    NONE = "none"
    TRACE = "trace"
    ALL = "all"


def command(
    preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = "small",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to write to")] = BUILD / "verilog",
    observe: Annotated[Observe, typer.Option(help="a port for simulation")] = Observe.NONE,
    icarus: Annotated[bool, typer.Option(help="the form that Icarus 11 needs")] = False,
) -> None:
    """Write Verilog (each module once) and a JSON side file."""
    paths = generate(load_preset(preset), out, observe=observe.value, icarus=icarus)
    for path in (paths.verilog, paths.side):
        typer.echo(f"{path} ({path.stat().st_size} bytes)")
