"""`makalu soak`: random programs on the RTL until told to stop; what was done is recorded, and a later call goes on."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.preset import load_preset
from makalu.spec.whole_file import writable_folder, write_whole
from makalu.sw.cli.conclusion import say_where
from makalu.sw.paths import BUILD
from makalu.sw.results import Figure, at_least, at_most, write_results
from makalu.sw.rtl.soak import Soaker, make_case

__all__ = ["PRESETS", "PROGRAMS", "SoakError", "soak"]

PRESETS = ("tiny", "trn2-mini")
PROGRAMS = 5000
"""On each preset."""


class SoakError(MakaluError, RuntimeError):
    """At least one program of the record left another memory image than golden, and the message names the seeds; or
    there is no telling, because the record is damaged."""


def soak(presets: Sequence[str], programs: int, console: Console, *, folder: Path = BUILD) -> list[Figure]:
    """Seeds 0 .. programs-1 on each of `presets`; writes `results/soak.json` of `folder`.

    `soak/<machine>.json` keeps the next seed and the failures. A build's name has a hash of all sources and the
    tools' versions, so another core starts at seed 0. Errors: `SoakError`.
    """
    configs = [load_preset(preset) for preset in dict.fromkeys(presets)]
    if len({config.name for config in configs}) != len(configs):
        raise SoakError(f"presets must have different names, not {[config.name for config in configs]}")
    writable_folder(folder / "results")
    records = {config.name: _soak(config, programs, console, folder / "soak") for config in configs}
    whole = tuple(presets) == PRESETS and programs >= PROGRAMS
    figures = _figures(records, bar=PROGRAMS * len(PRESETS) if whole else None)
    path = write_results("soak", configs, figures, folder=folder / "results")
    say_where(path, console)
    bad = [f"{name}: seeds {', '.join(record['failed'])}" for name, record in records.items() if record["failed"]]
    if bad:
        raise SoakError(f"programs failed ({'; '.join(bad)}): see {folder / 'soak'}")
    return figures


def _soak(config: CoreConfig, programs: int, console: Console, folder: Path) -> dict[str, Any]:
    """The record of one preset after its programs."""
    soaker = Soaker(config, progress=True)
    path = folder / f"{soaker.name}.json"
    record: dict[str, Any] = {
        "preset": config.name, "next": 0, "cycles": 0, "bytes": 0, "seconds": 0.0, "failed": {}
    }  # fmt: skip
    if path.is_file():
        record |= _read(path)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(config.name, total=programs, completed=record["next"])
        while record["next"] < programs:
            began = time.monotonic()
            seeds = range(record["next"], min(record["next"] + soaker.batch, programs))
            for verdict in soaker.run([make_case(config, seed) for seed in seeds]):
                if verdict.fault is not None:
                    record["failed"][str(verdict.case.random.seed)] = verdict.fault
                    console.print(f"{verdict.case}: {verdict.fault}")
                record["cycles"] += verdict.cycles
                record["bytes"] += verdict.bytes
            record["next"] = seeds.stop
            record["seconds"] = round(record["seconds"] + time.monotonic() - began, 3)
            write_whole(path, json.dumps(record, indent=2) + "\n")  # stopped at any moment, it is one or the other
            bar.update(task, completed=seeds.stop)
    console.print(f"{config.name}: {record['next']} programs, {len(record['failed'])} failed; record: {path.name}")
    return record


def _read(path: Path) -> dict[str, Any]:
    """A record as an earlier call left it. Errors: `SoakError`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not {"next", "cycles", "bytes", "seconds", "failed"} <= record.keys():
            raise KeyError("a count is missing")
    except (OSError, ValueError, AttributeError, KeyError, RecursionError) as error:
        raise SoakError(f"{path} is no record of a soak; delete it to begin at seed 0") from error
    return dict(record)


def _figures(records: dict[str, dict[str, Any]], *, bar: int | None) -> list[Figure]:
    """`bar`: programs that a call with the defaults promises; fewer presets or programs are a trial."""
    counts = {name: len(record["failed"]) for name, record in records.items()}
    programs = sum(record["next"] for record in records.values())
    figures = [
        Figure(name="programs", value=programs, unit="programs")
        if bar is None
        else at_least("programs", programs, "programs", bar=bar, kind="must"),
        at_most("failed", sum(counts.values()), "programs", bar=0, kind="must"),
    ]
    for name, record in records.items():
        figures += [
            Figure(name=f"{name}_programs", value=record["next"], unit="programs"),
            at_most(f"{name}_failed", counts[name], "programs", bar=0, kind="must"),
            Figure(name=f"{name}_cycles", value=record["cycles"], unit="cycles"),
            Figure(name=f"{name}_bytes_compared", value=record["bytes"], unit="bytes"),
            Figure(name=f"{name}_seconds", value=record["seconds"], unit="s"),
            Figure(
                name=f"{name}_programs_per_minute",
                value=round(60 * record["next"] / record["seconds"]) if record["seconds"] else 0,
                unit="programs/min",
            ),
        ]
    return figures
