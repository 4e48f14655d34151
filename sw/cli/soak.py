"""`makalu soak`: random programs on the RTL until told to stop; what was done is recorded, and a later call goes on."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from makalu.hw.spec.config import load_preset
from makalu.sw.paths import BUILD
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.soak import make_case, run_case

__all__ = ["PROGRAMS", "SoakError", "soak"]

PROGRAMS = 5000
RECORD: Path = BUILD / "soak"


class SoakError(RuntimeError):
    """At least one program of the record left another memory image than golden; the message names the seeds."""


def soak(preset: str, programs: int, console: Console, *, folder: Path = RECORD) -> None:
    """Seeds 0 .. programs-1 on `preset`; `build/soak/<digest>.json` keeps the next seed and the failures."""
    config = load_preset(preset)
    path = folder / f"{config.name}-{config.digest[:12]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"preset": config.name, "next": 0, "failed": {}}
    if path.is_file():
        record = json.loads(path.read_text())
    machine = Machine(config=config, observe="trace", fast=True)
    with console.status(f"building {config.name}"):
        machine.build()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(config.name, total=programs, completed=record["next"])
        for seed in range(record["next"], programs):
            case = make_case(config, seed)
            verdict = run_case(machine, case)
            if verdict.fault is not None:
                record["failed"][str(seed)] = verdict.fault
                console.print(f"{case}: {verdict.fault}")
            record["next"] = seed + 1
            path.write_text(json.dumps(record, indent=2) + "\n")
            bar.update(task, completed=seed + 1)
    console.print(f"{config.name}: {record['next']} programs, {len(record['failed'])} failed; record: {path.name}")
    if record["failed"]:
        raise SoakError(f"seeds {', '.join(record['failed'])} of {config.name} failed: see {path}")
