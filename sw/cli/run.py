"""`makalu run`: a kernel of a file, or a compiled program, on golden, the timing model or the RTL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from rich.console import Console
from rich.table import Table

from makalu.sim_models.timing.core import Timeline
from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import say_where
from makalu.sw.cli.stage_bars import stage_bars
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.compile.program import Program
from makalu.sw.compile.program_file import load_program
from makalu.sw.compile.rounding import stochastic
from makalu.sw.elements import Bits
from makalu.sw.kernel.execution import Backend, Execution, RtlRun, execute
from makalu.sw.kernel.file import loaded_kernel
from makalu.sw.kernel.given import given_arguments
from makalu.sw.kernel.outcome import file_names, write_outcome
from makalu.sw.kernel.simulate import arguments_of, simulate, target_preset
from makalu.sw.nki.tracing import trace
from makalu.sw.paths import BUILD
from makalu.sw.rtl.program_run import run_program

__all__ = ["DifferingError", "compiled_target", "run"]


class DifferingError(MakaluError, RuntimeError):
    """The RTL and golden differ: a defect of this project; the outputs are the RTL's."""


def run(
    target: str,
    console: Console,
    *,
    preset: str | None = None,
    backend: Backend = Backend.GOLDEN,
    simulator: str | None = None,
    arguments: list[str] | None = None,
    seed: int = 0,
    out: Path | None = None,
    keep_addresses: bool = False,
    rounding_seed: int | None = None,
) -> Execution:
    """Compile (or load), run, write what came of it, say it in a table. Errors: `DifferingError`, and all below.

    With `rounding_seed` results are rounded stochastically wherever the core can.
    """
    texts = arguments or []
    with console.status("tracing and compiling"):
        program, inputs, config = compiled_target(target, preset, texts, seed, keep_addresses=keep_addresses)
        if rounding_seed is not None:
            program = stochastic(program, config, seed=rounding_seed)

    def rtl(program: Program, inputs: Any, config: CoreConfig, predicted: Timeline) -> RtlRun:
        return run_program(program, inputs, config, predicted, simulator=simulator, progress=True)

    kernel = program.kernel or "program"
    folder = out or BUILD / "kernels" / file_names([kernel])[kernel]
    writable_folder(folder)
    with stage_bars(console) as report:
        done = execute(program, inputs, config, backend, rtl=rtl, report=report)
    given = dict(text.split("=", 1) for text in texts)
    outcome = write_outcome(done, folder, inputs=inputs, arguments=given, seed=seed)
    _report(done, console)
    for what, path in (
        *((f"output {name}", path) for name, path in outcome.outputs.items()),
        ("program", outcome.program),
        ("numbers", outcome.result),
        ("timeline, for ui.perfetto.dev", outcome.timeline),
        ("report, for a browser", outcome.report),
    ):
        say_where(path, console, what)
    if done.differing:
        raise DifferingError(f"the RTL differs from golden in {done.differing} of {done.compared} bytes of memory")
    return done


def compiled_target(
    target: str, preset: str | None, texts: list[str], seed: int, *, keep_addresses: bool = False
) -> tuple[Program, Mapping[str, ArrayLike | Bits], CoreConfig]:
    """Program, inputs and configuration of `FILE.py::function` or of a program's file."""
    given = given_arguments(texts, seed)
    if "::" not in target and ".py" not in target:
        program = load_program(Path(target))
        arrays: dict[str, Any] = {}
        for name, value in given.items():
            arguments_of(value, name, arrays)
        return program, {name: bits for name, (_, bits) in arrays.items()}, target_preset(preset or program.preset)

    def called_by_the_file(kernel: Any, *args: Any, **kwargs: Any) -> Any:
        return simulate(kernel, preset=preset)(*args, **kwargs)

    arrays = {}
    with loaded_kernel(target, called_by_the_file, target_preset(preset)) as kernel:
        config = target_preset(preset)
        values = {name: arguments_of(value, name, arrays) for name, value in given.items()}
        traced = trace(kernel, config, **values)
    name = target.rpartition("::")[2]
    program = compile_trace(traced, kernel=name, keep_addresses=keep_addresses)
    return program, {name: arrays[name][1] for name in program.inputs}, config


def _report(done: Execution, console: Console) -> None:
    table = Table(title=f"{done.program.kernel} on {done.config.name}, {done.backend}")
    table.add_column("what")
    table.add_column("value", justify="right")
    clock = done.config.product.tensor_clock_hz
    rows = {
        "instructions": f"{done.program.instructions:,}",
        "cycles" if done.rtl is not None else "cycles, predicted": f"{done.cycles:,}",
        f"time at {clock / 1e9:g} GHz": f"{done.cycles / clock * 1e6:,.2f} us",
    }
    for view in done.program.outputs:
        rows[f"output {view.name}"] = f"{list(view.shape)} {view.dtype}"
    for name in done.changed:
        rows[f"changed {name}"] = f"{list(done.program.tensors[name].shape)}"
    if done.rtl is not None:
        rows["largest distance from the timing model"] = f"{done.rtl.difference:g} cycles, {done.rtl.events:,} events"
        rows["bytes that differ from golden"] = f"{done.differing:,} of {done.compared:,}"
    for what, value in rows.items():
        table.add_row(what, value)
    console.print(table)
    for note in done.program.notes:
        console.print(f"note: {note}", soft_wrap=True, highlight=False)
