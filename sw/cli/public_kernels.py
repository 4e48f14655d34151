"""`makalu kernels`: public NKI kernels from clones of their repositories, unmodified, on golden and on the RTL."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.formats import ACCUMULATOR, FORMATS
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import conclude
from makalu.sw.cli.public_table import PUBLIC, PublicKernel
from makalu.sw.cli.run import compiled_target
from makalu.sw.elements import from_bits
from makalu.sw.kernel.execution import Backend, Execution, execute
from makalu.sw.kernel.given import given_arguments
from makalu.sw.nki.errors import LanguageError
from makalu.sw.results import RESULTS, Figure, at_most
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.program_run import run_program

__all__ = ["SourceError", "kernels"]

SEED = 0
MOST_SECONDS = 180
"""Of one kernel, without the machine's build. A goal: a slow machine makes no bit wrong."""
UNITS = {form.name: 2.0 ** -(form.fraction_bits + 1) for form in FORMATS.values()}
"""An error is |result - reference| / (1 + |reference|) in these units: half a unit in the last place, a rounding."""
BARS = {form.name: 128 if form == ACCUMULATOR else 1 for form in FORMATS.values()}
"""Units a rounding of the outputs, and as many for the fp32 sums of up to a thousand products behind it."""


class SourceError(MakaluError, ValueError):
    """A clone is not there or has no such file."""


@dataclass(frozen=True)
class _Row:
    kernel: PublicKernel
    done: Execution | None = None
    error: float = 0.0
    refused: str = ""
    as_expected: bool = True
    seconds: float = 0.0


def kernels(
    clones: Mapping[str, Path],
    console: Console,
    *,
    preset: str = "trn2",
    backend: Backend = Backend.RTL,
    long: bool = False,
    only: Sequence[str] = (),
) -> list[Figure]:
    """A row a kernel of the clones that were given. Errors: `SourceError`, `MissedError` for a difference."""
    for source, clone in clones.items():
        if not clone.is_dir():
            raise SourceError(f"--{source} must be the folder of a clone, not {clone}")
    writable_folder(RESULTS)
    config = load_preset(preset)
    chosen = [
        kernel
        for kernel in PUBLIC
        if kernel.source in clones
        and (long or not kernel.long)
        and (not only or kernel.name in only)
        and (not kernel.presets or preset in kernel.presets)
    ]
    machine = Machine(config=config, observe="trace", fast=True)
    if backend is Backend.RTL:
        machine.build(progress=True)
    rows = []
    for number, kernel in enumerate(chosen, 1):
        with console.status(f"{number} of {len(chosen)}: {kernel.name}"):
            rows.append(_ran(kernel, clones[kernel.source], config, backend, machine))
    _report(rows, console, preset)
    figures = [figure for row in rows for figure in _figures(row)]
    conclude("kernels", config, figures, console)
    return figures


def _ran(kernel: PublicKernel, clone: Path, config: CoreConfig, backend: Backend, machine: Machine) -> _Row:
    path = clone / kernel.file
    if not path.is_file():
        raise SourceError(f"{clone} has no {kernel.file}")
    texts = [f"{name}={value}" for name, value in kernel.arguments.items()]
    began = time.monotonic()
    try:
        program, inputs, _ = compiled_target(f"{path}::{kernel.function}", config.name, texts, SEED)
    except (MakaluError, ImportError) as error:
        kind = error.kind if isinstance(error, LanguageError) else "the file's own error"
        expected = kernel.refusal
        good = expected is not None and expected.kind == kind and expected.text in str(error)
        return _Row(kernel, refused=str(error), as_expected=good)
    if kernel.refusal is not None:
        return _Row(kernel, refused="it was not refused", as_expected=False)
    done = execute(
        program,
        inputs,
        config,
        backend,
        rtl=lambda p, i, c, t: run_program(p, i, c, t, machine=machine, progress=True),
    )
    return _Row(kernel, done, error=_error(kernel, done), seconds=time.monotonic() - began)


def _error(kernel: PublicKernel, done: Execution) -> float:
    """Largest |result - reference| / (1 + |reference|) against float64."""
    assert kernel.reference is not None
    given = given_arguments([f"{name}={value}" for name, value in kernel.arguments.items()], SEED)
    worst = 0.0
    for view, want in zip(done.program.outputs, kernel.reference(given), strict=True):
        got = from_bits(done.outputs[view.name], FORMATS[view.dtype]).astype(np.float64)
        worst = max(worst, float(np.max(np.abs(got - want) / (1 + np.abs(want)))))
    return worst


def _figures(row: _Row) -> list[Figure]:
    name = f"kernel_{row.kernel.name}"
    if row.done is None:
        return [
            Figure(name=f"{name}_refused", value=_short(row.refused), unit="text"),
            at_most(f"{name}_unexpected", int(not row.as_expected), "refusals", bar=0, kind="must"),
        ]
    done, dtype = row.done, row.done.program.outputs[0].dtype
    bar = (row.kernel.roundings + 1) * BARS[dtype]
    figures = [
        Figure(name=f"{name}_arguments", value=", ".join(row.kernel.arguments.values()), unit="text"),
        Figure(name=f"{name}_instructions", value=done.program.instructions, unit="instructions"),
        at_most(f"{name}_error", round(row.error / UNITS[dtype], 2), "half ulps", bar=bar, kind="must"),
        Figure(name=f"{name}_cycles", value=done.cycles, unit="cycles"),
        at_most(f"{name}_seconds", round(row.seconds, 1), "s", bar=MOST_SECONDS, kind="goal"),
    ]
    if done.rtl is not None:
        figures += [
            Figure(name=f"{name}_compared", value=done.compared, unit="bytes"),
            at_most(f"{name}_differing", done.differing, "bytes", bar=0, kind="must"),
            at_most(f"{name}_difference", done.rtl.difference, "cycles", bar=0, kind="must"),
            Figure(name=f"{name}_events", value=done.rtl.events, unit="issues and finishes"),
        ]
    return figures


def _short(text: str) -> str:
    """Without the lines of the kernel, whose path is this machine's."""
    text = text.split(" (at ")[0]
    return text.split("/")[-1] if text.startswith("/") else text


def _report(rows: Sequence[_Row], console: Console, preset: str) -> None:
    table = Table(title=f"public kernels on {preset}, files unmodified")
    columns = ("kernel", "arguments", "outputs", "error", "cycles", "off", "bytes", "differ", "s")
    for column in columns:
        table.add_column(column, justify="left" if column in ("kernel", "arguments", "outputs") else "right")
    for row in rows:
        shapes = ", ".join(row.kernel.arguments.values())
        if row.done is None:
            mark = "" if row.as_expected else "[red]NOT EXPECTED[/] "
            table.add_row(row.kernel.name, shapes, f"{mark}{_short(row.refused)}")
            continue
        done = row.done
        outputs = ", ".join(f"{'x'.join(map(str, view.shape))} {view.dtype}" for view in done.program.outputs)
        rtl = done.rtl
        table.add_row(
            row.kernel.name,
            shapes,
            outputs,
            f"{row.error:.1e}",
            f"{done.cycles:,}",
            "" if rtl is None else f"{rtl.difference:g}",
            "" if rtl is None else f"{done.compared:,}",
            "" if rtl is None else f"{done.differing:,}",
            f"{row.seconds:.1f}",
        )
    console.print(table)
