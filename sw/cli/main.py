"""The `makalu` command. Each subcommand is a function of its own module; this file only names them."""

import typer

from makalu.hw.spec.config import PRESETS, load_preset

__all__ = ["app"]

app = typer.Typer(
    name="makalu",
    help="An open, parameterizable tensor-accelerator core: generate, simulate, measure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


@app.callback()
def makalu() -> None:
    """Keeps subcommand names even while there is only one."""


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
