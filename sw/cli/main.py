"""The `makalu` command. Each subcommand is a function of its own module; this file only names them."""

import errno
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from makalu.spec.errors import MakaluError
from makalu.spec.preset import PRESETS, load_preset
from makalu.spec.versions import versions
from makalu.sw.cli import generate, lint, mutate, verify
from makalu.sw.cli.bench import PARTS
from makalu.sw.cli.bench import bench as run_bench
from makalu.sw.cli.disassemble import disassemble as print_program
from makalu.sw.cli.docs import docs as write_docs
from makalu.sw.cli.energy import energy as run_energy
from makalu.sw.cli.entry import INTERRUPTED
from makalu.sw.cli.judge import Form, Subnormals, judge_vectors
from makalu.sw.cli.public_kernels import kernels as run_public
from makalu.sw.cli.run import run as run_kernel
from makalu.sw.cli.scaling import scaling as run_scaling
from makalu.sw.cli.scaling.suite import SUITE
from makalu.sw.cli.sim import PRESET as SIM_PRESET
from makalu.sw.cli.sim import simulate
from makalu.sw.cli.soak import PRESETS as SOAK_PRESETS
from makalu.sw.cli.soak import PROGRAMS
from makalu.sw.cli.soak import soak as run_soak
from makalu.sw.commit import commit
from makalu.sw.kernel.execution import Backend
from makalu.sw.kernel.given import FORMS
from makalu.sw.paths import BUILD
from makalu.sw.rtl.energy.movement import PUBLISHED
from makalu.sw.rtl.waves import Waves

__all__ = ["app"]


_PLAIN_WIDTH = 140


def _console() -> Console:
    """A file or pipe has no width; tables are not cut there."""
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


class Simulator(StrEnum):
    AUTO = "auto"
    LANES = "lanes"
    VERILATOR = "verilator"
    ICARUS = "icarus"


class _Group(TyperGroup):
    """Errors that a user or a full disk can cause are a line on stderr, an interrupt is silent; no traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except MakaluError as error:
            typer.echo(f"makalu: {error}", err=True)
            raise typer.Exit(1) from error
        except typer.BadParameter as error:
            typer.echo(f"makalu: {error.format_message()}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error
        except MemoryError as error:
            typer.echo("makalu: this machine has not the memory for it", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            if error.errno == errno.EPIPE:  # who reads has enough: typer ends in silence
                raise
            typer.echo(f"makalu: {_of_the_system(error)}", err=True)
            raise typer.Exit(1) from error


def _of_the_system(error: OSError) -> str:
    """A file and a reason, and for one of our own what can be done."""
    name = "" if error.filename is None else os.fsdecode(error.filename)
    moved = f" (MAKALU_BUILD moves the build folder, {BUILD})" if Path(name).is_relative_to(BUILD) else ""
    return f"{name}{': ' if name else ''}{error.strerror or error}{moved}"


app = typer.Typer(
    cls=_Group,
    name="makalu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"makalu {versions()['makalu']}, commit {commit()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and the commit")
    ] = False,
) -> None:
    """An open, parameterizable tensor-accelerator core: generate, simulate, measure."""


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
    preset: Annotated[str, typer.Option(help="name of a preset or path of a .yaml file")] = SIM_PRESET,
    simulator: Annotated[
        Simulator, typer.Option(help="docs/simulators.md says what each is for; auto: what suits the preset's size")
    ] = Simulator.AUTO,
    images: Annotated[int | None, typer.Option(min=1, help="how many held-out images; default: all that fit")] = None,
    waves: Annotated[Path | None, typer.Option(help="write every signal to this .fst file (not with lanes)")] = None,
    first: Annotated[int, typer.Option("--from", min=0, help="first cycle of the waves")] = 0,
    cycles: Annotated[int | None, typer.Option(min=1, help="how many cycles of waves; default: to the end")] = None,
) -> None:
    """Run the trained digit classifier on the RTL and compare every logit with the golden model."""
    if waves is None and (first or cycles):
        raise typer.BadParameter("--from and --cycles are of the waves: give --waves FILE.fst")
    chosen = None if simulator == Simulator.AUTO else simulator.value
    simulate(preset, chosen, images, _console(), Waves(waves, first, cycles) if waves else None)


app.command("verify")(verify.command)
app.command("mutate")(mutate.command)


@app.command()
def run(
    target: Annotated[str, typer.Argument(help="FILE.py::function, or the file of a program")],
    preset: Annotated[
        str | None, typer.Option(help="preset or .yaml file; default: NEURON_PLATFORM_TARGET_OVERRIDE, else trn3")
    ] = None,
    backend: Annotated[Backend, typer.Option(help="golden: bits; timing: cycles only; rtl: both, compared")] = (
        Backend.GOLDEN
    ),
    simulator: Annotated[Simulator, typer.Option(help="of the RTL; auto: what suits the size")] = Simulator.AUTO,
    arg: Annotated[list[str] | None, typer.Option(help=f"an argument of the kernel: {FORMS}")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of random arguments")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="folder for outputs and results; default: build/kernels/NAME")
    ] = None,
    keep_addresses: Annotated[bool, typer.Option(help="honour address= of tiles instead of placing them")] = False,
    stochastic_rounding: Annotated[
        bool,
        typer.Option(
            "--stochastic-rounding", envvar="NEURON_RT_STOCHASTIC_ROUNDING_EN", help="of every cast to a shorter float"
        ),
    ] = False,
    rounding_seed: Annotated[
        int, typer.Option(min=0, envvar="NEURON_RT_STOCHASTIC_ROUNDING_SEED", help="of its random bits")
    ] = 0,
) -> None:
    """Run an NKI kernel, unmodified: bits, cycles, a timeline and a report."""
    run_kernel(
        target,
        _console(),
        preset=preset,
        backend=backend,
        simulator=None if simulator == Simulator.AUTO else simulator.value,
        arguments=arg,
        seed=seed,
        out=out,
        keep_addresses=keep_addresses,
        rounding_seed=rounding_seed if stochastic_rounding else None,
    )


@app.command()
def kernels(
    sdk: Annotated[Path | None, typer.Option(help="clone of aws-neuron/aws-neuron-sdk")] = None,
    samples: Annotated[Path | None, typer.Option(help="clone of aws-neuron/nki-samples")] = None,
    library: Annotated[Path | None, typer.Option(help="clone of aws-neuron/nki-library")] = None,
    preset: Annotated[str, typer.Option(help="a full-size preset: the kernels need 128 partitions")] = "trn2",
    backend: Annotated[Backend, typer.Option(help="golden, or rtl compared with golden")] = Backend.RTL,
    long: Annotated[bool, typer.Option("--long", help="the ones that take minutes, too")] = False,
    only: Annotated[list[str] | None, typer.Option(help="name of a kernel of the table; may be repeated")] = None,
) -> None:
    """Run public NKI kernels from clones of their repositories, files unmodified."""
    given = {"sdk": sdk, "samples": samples, "library": library}
    clones = {name: path for name, path in given.items() if path is not None}
    if not clones:
        raise typer.BadParameter("give the folder of at least one clone: --sdk, --samples or --library")
    run_public(clones, _console(), preset=preset, backend=backend, long=long, only=only or ())


@app.command()
def disassemble(path: Annotated[Path, typer.Argument(help="file of a program, as `makalu run` writes it")]) -> None:
    """Print a program's instructions, NKI's names beside ours."""
    print_program(path, _console())


@app.command()
def judge(
    vectors: Annotated[str, typer.Argument(help="file of vectors as docs/judge.md has them, or - for standard input")],
    form: Annotated[
        Form, typer.Option("--format", help="plain: each line names its operation; testfloat: numbers alone")
    ] = Form.PLAIN,
    operation: Annotated[str | None, typer.Option(help="of every line of testfloat")] = None,
    subnormals: Annotated[
        Subnormals, typer.Option(help="which units of the tensor engine and PSUM: a preset has one kind")
    ] = Subnormals.KEEP,
    shown: Annotated[int, typer.Option(min=0, help="how many mismatches to print")] = 5,
) -> None:
    """Judge the RTL of all arithmetic units by vectors: operation, operands, expected bits."""
    judge_vectors(vectors, _console(), form=form, operation=operation, subnormals=subnormals, shown=shown)


@app.command()
def bench(
    part: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(PARTS)}; default: all")] = None,
) -> None:
    """Measure GEMM utilisation, the timing model, the full core, the simulators, golden and a PE on an FPGA."""
    for name in part or ():
        if name not in PARTS:
            raise typer.BadParameter(f"part must be one of {list(PARTS)}, not {name!r}")
    run_bench(tuple(part or PARTS), _console())


@app.command()
def scaling(
    full: Annotated[bool, typer.Option("--full", help="full cores on the RTL too, not by the timing model")] = False,
    kernel: Annotated[list[str] | None, typer.Option(help=f"one of {', '.join(SUITE)}; default: all")] = None,
) -> None:
    """One suite of kernels on the three generations, and what each ratio of them is made of; resumable."""
    for name in kernel or ():
        if name not in SUITE:
            raise typer.BadParameter(f"kernel must be one of {list(SUITE)}, not {name!r}")
    run_scaling(_console(), full=full, kernels=tuple(kernel or ()))


@app.command()
def energy(
    table: Annotated[Path, typer.Option(help="YAML of published energies of memories, pJ a byte")] = PUBLISHED,
) -> None:
    """Energy a MAC of each generation's PE, from its gates' activity in Debian's osu018 cell library."""
    run_energy(_console(), table=table)


@app.command()
def docs() -> None:
    """Write what is generated in docs/: instructions, registers, drawings and tables of blocks, figures."""
    write_docs(_console())


@app.command()
def soak(
    preset: Annotated[
        list[str] | None, typer.Option(help=f"may be given more than once; default: {', '.join(SOAK_PRESETS)}")
    ] = None,
    programs: Annotated[int, typer.Option(min=1, help="seeds on each preset, earlier calls included")] = PROGRAMS,
) -> None:
    """Random programs on the RTL against golden; resumes where an earlier call stopped."""
    run_soak(preset or SOAK_PRESETS, programs, _console())
