"""`makalu generate`: Verilog and side file of a preset."""

import re
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from makalu.hw.generate import generate
from makalu.spec.preset import load_preset
from makalu.sw.cli.conclusion import conclude
from makalu.sw.paths import BUILD
from makalu.sw.results import Figure, at_most

__all__ = ["command"]


MOST_SECONDS, MOST_BYTES, MOST_MODULES = 60, 5_000_000, 99
"""Of the full 128 x 128 core; smaller ones are far below."""


class Observe(StrEnum):
    NONE = "none"
    TRACE = "trace"
    ALL = "all"


def command(
    preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = "small",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to write to")] = BUILD / "verilog",
    observe: Annotated[Observe, typer.Option(help="a port for simulation")] = Observe.NONE,
) -> None:
    """Write Verilog (each module once) and a JSON side file."""
    config, began = load_preset(preset), time.monotonic()
    paths = generate(config, out, observe=observe.value)
    for path in (paths.verilog, paths.side):
        typer.echo(f"{path} ({path.stat().st_size} bytes)")
    seconds = round(time.monotonic() - began, 1)
    modules = len(re.findall(r"(?m)^module ", paths.verilog.read_text()))
    figures = [
        at_most("seconds", seconds, "s", bar=MOST_SECONDS, kind="must"),
        at_most("bytes", paths.verilog.stat().st_size, "bytes", bar=MOST_BYTES, kind="must"),
        at_most("modules", modules, "modules", bar=MOST_MODULES, kind="must"),
        Figure(name="observe", value=observe.value, unit="name"),
    ]
    conclude("generate", config, figures, Console())
