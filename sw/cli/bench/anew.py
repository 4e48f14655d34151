"""A machine that is built from nothing, in a process of its own, and the CPU seconds that this takes.

The process has a build folder of its own, so that nothing of an earlier build is there, and ccache is told to compile:
Verilog or netlist are generated, translated and compiled. What it made goes to the project's build folder where that
lacks it.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from makalu.spec.preset import load_preset
from makalu.sw.paths import BUILD
from makalu.sw.rtl.kept_text import TEXTS
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.machine_build import MACHINES, MachineBuildError

__all__ = ["CleanBuild", "build_anew", "children_cpu_seconds"]

_LOG_CHARACTERS = 6000


@dataclass(frozen=True)
class CleanBuild:
    """`cpu_seconds` of the process and all that it started, `seconds` of wall clock."""

    cpu_seconds: float
    seconds: float


def children_cpu_seconds() -> float:
    """CPU seconds, user and system, of all processes that this one started and waited for, and of theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def build_anew(preset: str, simulator: str, console: Console) -> CleanBuild:
    """Build the machine that measures (`observe="trace"`, `fast`). Errors: `MachineBuildError`."""
    place = BUILD / "anew"
    with alone(place), work_folder(place) as work, console.status(f"building {preset} on {simulator} from nothing"):
        before, began = children_cpu_seconds(), time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", __name__, preset, simulator],
            env={**os.environ, "MAKALU_BUILD": str(work), "CCACHE_RECACHE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        build = CleanBuild(children_cpu_seconds() - before, time.monotonic() - began)
        if done.returncode:
            raise MachineBuildError(f"{preset} on {simulator}: {(done.stdout + done.stderr)[-_LOG_CHARACTERS:]}")
        made = Path(done.stdout.splitlines()[-1])
        kept = MACHINES / made.name
        with alone(kept):
            if not kept.exists():
                shutil.move(made, kept)
        TEXTS.mkdir(parents=True, exist_ok=True)
        for text in (work / TEXTS.name).glob("*.json"):
            text.replace(TEXTS / text.name)
    return build


if __name__ == "__main__":
    _machine = Machine(config=load_preset(sys.argv[1]), simulator=sys.argv[2], observe="trace", fast=True)
    print(_machine.build().folder)
