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
from makalu.sw.results import Figure

__all__ = ["command", "text_figures"]


class Observe(StrEnum):
    NONE = "none"
    TRACE = "trace"
    ALL = "all"


def command(
    preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = "small",
    out: Annotated[Path, typer.Option("--out", "-o", help="folder to write to")] = BUILD / "verilog",
    observe: Annotated[Observe, typer.Option(help="a port for simulation")] = Observe.NONE,
    assertions: Annotated[bool, typer.Option("--assertions", help="rules between blocks, for simulation")] = False,
) -> None:
    """Write Verilog (each module once) and a JSON side file. What it took is stated, and judged by `makalu bench`."""
    config, began = load_preset(preset), time.monotonic()
    paths = generate(config, out, observe=observe.value, assertions=assertions)
    for path in (paths.verilog, paths.side):
        typer.echo(f"{path} ({path.stat().st_size} bytes)")
    figures = [Figure(name=name, value=value, unit=unit) for name, value, unit in text_figures(paths.verilog, began)]
    figures.append(Figure(name="observe", value=observe.value, unit="name"))
    conclude("generate", config, figures, Console())


def text_figures(verilog: Path, began: float) -> tuple[tuple[str, float | int, str], ...]:
    """Name, value and unit of what a text took since the clock said `began`, and of its size."""
    modules = len(re.findall(r"(?m)^module ", verilog.read_text()))
    return (
        ("seconds", round(time.monotonic() - began, 1), "s"),
        ("bytes", verilog.stat().st_size, "bytes"),
        ("modules", modules, "modules"),
    )
