"""`makalu mutate`: faults in each block's text, and how many of them the block's own bench sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder
from makalu.sw.cli.conclusion import conclude
from makalu.sw.cli.verify import from_checkout
from makalu.sw.paths import BUILD, ROOT
from makalu.sw.results import Figure, at_least, at_most
from makalu.sw.rtl.mutant_run import MutantRun, prepared, run_controls, run_mutants
from makalu.sw.rtl.survivors import EQUIVALENT, PRESET, MutatedBlock, ReviewError, entry_of, load_blocks

__all__ = ["BLOCK_SCORE", "COUNT", "PRESET", "SCORE", "SEED", "command", "figures_of", "mutate"]

SEED, COUNT = 20, 60
"""Of the lists whose survivors are reviewed: which mutants, and how many of each block."""
SCORE, BLOCK_SCORE = 0.98, 0.95
"""Of the mutants that are not equivalent, so many must be killed: of all blocks and of each; with other mutants, whose
survivors nobody has looked at, the second of all."""


def command(
    blocks: Annotated[list[str] | None, typer.Argument(help="files of verif/mutants; default: all")] = None,
    seed: Annotated[int, typer.Option(min=0, help="which mutants; the default's survivors are reviewed")] = SEED,
    count: Annotated[int, typer.Option(min=1, help="mutants of each block")] = COUNT,
    workers: Annotated[int, typer.Option(min=1, help="how many run at a time")] = 2,
) -> None:
    """Plant faults in each block's Verilog and count what its bench sees; goes on where an earlier call stopped."""
    library = from_checkout("verif.lib.cases")
    known = load_blocks(ROOT / "verif" / "mutants")
    wrong = [name for name in blocks or () if name not in known]
    if wrong:
        raise ReviewError(f"blocks must be of {list(known)}, not {wrong}")
    chosen = [known[name] for name in dict.fromkeys(blocks or known)]
    mutate(chosen, library, Console(), every=len(known), seed=seed, count=count, workers=workers)


def mutate(
    blocks: Sequence[MutatedBlock],
    library: Any,
    console: Console,
    *,
    every: int,
    seed: int = SEED,
    count: int = COUNT,
    workers: int = 2,
    folder: Path = BUILD,
) -> None:
    """Run, judge and write `results/mutate.json` of `folder`; `every`: how many blocks there are.

    Errors: `MissedError`, `RecordError`, those of `prepared`.
    """
    writable_folder(folder / "results")
    runs = [prepared(library, block, seed=seed, count=count, folder=folder / "mutate") for block in blocks]
    run_controls(library, runs, workers=workers, report=console.print)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    total, todo = sum(len(run.mutated.mutants) for run in runs), sum(len(run.todo) for run in runs)
    # drawn by hand: a thread that draws would be in the way of processes that are forked
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        task = bar.add_task("mutants", total=total, completed=total - todo)
        for run in run_mutants(library, runs, workers=workers):
            bar.update(task, advance=1, description=run.block.name, refresh=True)
    unknown = sum(_say(run, console) for run in runs)
    reviewed = seed == SEED and count == COUNT
    figures = figures_of(runs, unknown, reviewed=reviewed, every=every)
    conclude("mutate", load_preset(PRESET), figures, console, folder=folder / "results")


def _say(run: MutantRun, console: Console) -> int:
    """What came of a block, and how many of its survivors have no reason."""
    name, counts = run.block.name, _counts(run)
    console.print(f"{name}: {', '.join(f'{value} {kind}' for kind, value in counts.items())}: {_score(counts):.1%}")
    unknown = [mutant for mutant in run.survivors if entry_of(run.block, mutant) is None]
    for mutant in unknown:
        console.print(f"  alive, without a reason: {mutant.name}", soft_wrap=True, markup=False, highlight=False)
    return len(unknown)


def _counts(run: MutantRun) -> dict[str, int]:
    """A survivor without a reason is alive; equivalent is what is proved or reviewed to be."""
    entries = [entry_of(run.block, mutant) for mutant in run.survivors]
    reviewed = sum(entry is not None and entry.kind == EQUIVALENT for entry in entries)
    killed = len(run.mutated.mutants) - len(entries) - run.equal
    return {"killed": killed, "alive": len(entries) - reviewed, "equivalent": run.equal + reviewed}


def _score(counts: dict[str, int]) -> float:
    """The share that is killed of those that are not equivalent."""
    could = counts["killed"] + counts["alive"]
    return counts["killed"] / could if could else 1.0


def figures_of(runs: Sequence[MutantRun], unknown: int, *, reviewed: bool, every: int) -> list[Figure]:
    """Counts and score of each block and of all. With the recorded mutants (`reviewed`) no survivor may be `unknown`,
    and each block has a bar; that `every` block ran is judged then too.
    """
    figures: list[Figure] = []
    total = {"killed": 0, "alive": 0, "equivalent": 0}
    for run in runs:
        counts, name = _counts(run), run.block.name
        total = {kind: total[kind] + value for kind, value in counts.items()}
        figures += [Figure(name=f"{name}_{kind}", value=value, unit="mutants") for kind, value in counts.items()]
        figures.append(_judged(f"{name}_score", _score(counts), bar=BLOCK_SCORE, judge=reviewed))
    whole = reviewed and len(runs) == every
    figures.append(_judged("score", _score(total), bar=SCORE if whole else BLOCK_SCORE, judge=True))
    for name, value in (("unreviewed", unknown), ("blocks_left_out", every - len(runs))):
        bar = reviewed and (whole or name == "unreviewed")
        figures.append(
            at_most(name, value, "1", bar=0, kind="must") if bar else Figure(name=name, value=value, unit="1")
        )
    return figures


def _judged(name: str, value: float, *, bar: float, judge: bool) -> Figure:
    value = round(value, 4)
    return at_least(name, value, "1", bar=bar, kind="must") if judge else Figure(name=name, value=value, unit="1")
