"""`makalu verify`: one block's benches, each a case of the table in `verif/<block>/bench.py`."""

import importlib
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from makalu.spec.errors import MakaluError
from makalu.spec.preset import load_preset
from makalu.sw.paths import ROOT
from makalu.sw.rtl.runner import BenchFailure
from makalu.sw.rtl.simulators import have_icarus
from makalu.sw.rtl.waves import Waves

__all__ = ["VerifyError", "command", "from_checkout"]


class VerifyError(MakaluError, RuntimeError):
    """A case failed, or there are no benches here."""


class Simulator(StrEnum):
    VERILATOR = "verilator"
    ICARUS = "icarus"


def from_checkout(module: str) -> Any:
    """A module of `verif`: benches are not installed, they are found from the checkout. Errors: `VerifyError`."""
    if not (ROOT / "verif").is_dir():
        raise VerifyError("benches are in a checkout of the project, not in an installed package: there is no verif")
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return importlib.import_module(module)


def _chosen(library: Any, block: str, name: str | None, simulator: str | None, preset: str | None) -> list[Any]:
    """The case that is named, or all that the suite runs: of `simulator` if it is given, on `preset` if it is.

    With a preset those of the table's first configuration and simulator are enough: the others would be the same again.
    The first case stands in where the table has none for a simulator.
    """
    if name is not None:
        chosen = [library.find_case(block, name)]
    else:
        chosen = [case for case in library.cases(block).values() if not case.soak]
        first = chosen[0]
        if preset is not None:
            simulator = simulator or first.simulator
            chosen = [case for case in chosen if case.config == first.config]
        if simulator is not None:
            chosen = [case for case in chosen if case.simulator == simulator] or [first]
        else:
            chosen = [case for case in chosen if case.simulator != "icarus" or have_icarus()]
    if preset is None:
        return chosen
    place = str(Path(preset).absolute()) if preset.endswith(".yaml") else preset
    load_preset(place)
    return [case.with_config(place) for case in chosen]


def _show(library: Any, block: str | None) -> None:
    for each in [block] if block else library.blocks():
        for case in library.cases(each).values():
            when = "soak" if case.soak else "slow" if case.slow else ""
            config = case.config if isinstance(case.config, str) else "" if case.config is None else "small core"
            row = f"{each:10} {case.name:24} {case.simulator:10} {case.tests:2} tests  {config:14} {when}"
            typer.echo(row.rstrip())


def _waves(path: Path | None, case: Any, alone: bool) -> Waves | None:
    """The file that is named for one case; in the folder that is named a file a case."""
    if path is None:
        return None
    if path.suffix != ".fst":
        return Waves(path / f"{case}.fst")
    if not alone:
        raise VerifyError(f"--waves must be a folder where several cases run, not {path}; or pick one with --case")
    return Waves(path)


def command(
    block: Annotated[str | None, typer.Argument(help="a folder of verif; --list shows them")] = None,
    case: Annotated[str | None, typer.Option(help="one of the block's cases; default: all but the longest")] = None,
    simulator: Annotated[Simulator | None, typer.Option(help="default: each case's own")] = None,
    preset: Annotated[str | None, typer.Option(help="preset or .yaml file in place of the case's own")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="in place of the case's own")] = None,
    waves: Annotated[Path | None, typer.Option(help="write every signal: FILE.fst for one case, or a folder")] = None,
    junit: Annotated[
        Path | None, typer.Option(envvar="MAKALU_JUNIT", help="folder that keeps the results as JUnit, a file a case")
    ] = None,
    show: Annotated[bool, typer.Option("--list", help="show the cases and run none")] = False,
) -> None:
    """Run the cocotb benches of one block, from a checkout."""
    library = from_checkout("verif.lib.cases")
    if show:
        _show(library, block)
        return
    if block is None:
        raise typer.BadParameter(f"name a block: one of {library.blocks()}")
    chosen = _chosen(library, block, case, simulator and simulator.value, preset)
    if seed is not None:
        chosen = [each.with_seed(seed) for each in chosen]
    files = [_waves(waves, each, len(chosen) == 1) for each in chosen]
    failed = []
    for each, file in zip(chosen, files, strict=True):
        if not _passes(library, each, simulator.value if simulator else each.simulator, junit, file):
            failed.append(str(each))
    if failed:
        raise VerifyError(f"{len(failed)} of {len(chosen)} cases failed: {', '.join(failed)}")


def _passes(library: Any, case: Any, simulator: str, junit: Path | None, waves: Waves | None) -> bool:
    """Run one, and say what came of it."""
    began = time.monotonic()
    try:
        ran = library.run_case(case, simulator=simulator, junit=junit and junit.absolute(), waves=waves)
    except BenchFailure as failure:
        typer.echo(f"{failure}\n{case} on {simulator}: failed")
        return False
    where = f"; waves: {waves.path}" if waves else ""
    typer.echo(f"{case} on {simulator}: {ran} tests passed in {time.monotonic() - began:.1f} s{where}")
    return True
