"""The `makalu` command. Each subcommand is a function of its own module; this file only names them."""

from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from makalu.hw.spec.config import PRESETS, ConfigError, load_preset
from makalu.sw.cli import generate, lint
from makalu.sw.cli.sim import SimError, simulate
from makalu.sw.rtl.machine import MachineError
from makalu.sw.rtl.machine_build import MachineBuildError

__all__ = ["app"]

_USER_ERRORS = (ConfigError, SimError, MachineError, MachineBuildError)


class _Group(TyperGroup):
    """Errors that a user can cause are a line on stderr, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _USER_ERRORS as error:
            typer.echo(f"makalu: {error}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=_Group,
    name="makalu",
    help="An open, parameterizable tensor-accelerator core: generate, simulate, measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command("generate")(generate.command)
app.command("lint")(lint.command)


@app.command()
def presets() -> None:
    """List the shipped presets: geometry and memory of each."""
    for name in PRESETS:
        config = load_preset(name)
        typer.echo(
            f"{name:12} {config.tensor.rows} x {config.tensor.columns} PEs, "
            f"SBUF {config.sbuf.partition_bytes >> 10} KiB and PSUM {config.psum.partition_bytes >> 10} KiB "
            f"a partition, {config.digest[:12]}"
        )


@app.command()
def sim(
    preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = "trn2-mini",
    simulator: Annotated[str, typer.Option(help="verilator or icarus")] = "verilator",
    images: Annotated[int | None, typer.Option(help="how many held-out images; default: all that fit")] = None,
) -> None:
    """Run the trained digit classifier on the RTL and compare every logit with the golden model."""
    simulate(preset, simulator, images, Console())
