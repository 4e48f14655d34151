"""The RTL of all arithmetic units judged by vectors of operands and expected bits, in one program (docs/judge.md)."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from makalu.hw.arith.assembly import ArithAssembly
from makalu.spec.errors import MakaluError
from makalu.spec.versions import versions
from makalu.sw.paths import BUILD, RTL_SOURCES
from makalu.sw.rtl.judge_table import OPERATIONS, table_text
from makalu.sw.rtl.kept_text import component_text
from makalu.sw.rtl.machine_build import FAST_ARGS, build_program
from makalu.sw.rtl.simulators import FAST, FEW_FILES, WAIVED

__all__ = ["Difference", "VectorError", "Verdict", "judge"]

JUDGES: Path = BUILD / "judges"
_UNITS = "dut"
"""Module, as judge.v has it; the bench needs the same text."""
_PROGRAM = "judge"
_BAD_INPUT = 2


class VectorError(MakaluError, ValueError):
    """The vectors break a rule; the message names the line and the rule."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One unit's result that is not the expected one. A NaN that was expected is shown as the canonical one."""

    line: int
    unit: str
    operation: str
    operands: tuple[int, ...]
    expected: int
    got: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    vectors: int
    results: int
    """Of every unit that computes a vector's operation."""
    mismatches: int
    """Results that differ."""
    first: tuple[Difference, ...]
    seconds: float
    """Of one CPU: reading, simulating and comparing."""


def _program() -> Path:
    """The compiled judge, built or as an earlier call left it. Errors: `MachineBuildError`."""
    units = ArithAssembly()
    files = {
        f"{_UNITS}.v": component_text(units, name=_UNITS),
        **{name: (RTL_SOURCES / name).read_text() for name in ("judge.v", "judge.cpp")},
        "judge_table.h": table_text(),
    }
    command = [
        "verilator",
        *("--cc", "--exe", "--build", "-j", str(os.cpu_count() or 1)),
        *("--top-module", "judge", "--Mdir", "model", "-o", f"../{_PROGRAM}"),
        *(f"-GINPUTS={len(units.i)}", f"-GOUTPUTS={len(units.o)}"),
        *(*FAST_ARGS, *FEW_FILES),
        *(f"-Wno-{name}" for name in WAIVED),
        *("-CFLAGS", "-I.."),
        *(name for name in files if not name.endswith(".h")),
    ]
    identity = json.dumps([files, command, versions()], sort_keys=True)
    final = JUDGES / hashlib.sha256(identity.encode()).hexdigest()[:12]
    build_program(command, files, final, optimize=FAST)
    return final / _PROGRAM


def _difference(words: list[str]) -> Difference:
    line, unit, expected, got, operation, *operands = words
    return Difference(
        line=int(line),
        unit=unit,
        operation=operation,
        operands=tuple(int(operand, 16) for operand in operands),
        expected=int(expected, 16),
        got=int(got, 16),
    )


def judge(vectors: IO[Any], *, operation: str | None = None, subnormals: str = "keep", shown: int = 5) -> Verdict:
    """Every line of a file (with a descriptor) against all units that compute it; the first `shown` differences.

    With `operation` each line has its numbers alone, as TestFloat writes them; else its name comes first. `subnormals`
    says which units of the tensor engine and of PSUM are judged.

    Errors: `VectorError`, where nothing was judged or a line breaks a rule; `MachineBuildError`.
    """
    if subnormals not in ("keep", "flush"):
        raise VectorError(f"subnormals must be keep or flush, not {subnormals!r}")
    names = [each.name for each in OPERATIONS]
    if operation is not None and operation not in names:
        raise VectorError(f"operation must be one of {', '.join(names)}, not {operation!r}")
    command = [str(_program()), operation or "-", str(int(subnormals == "flush")), str(shown)]
    run = subprocess.run(command, stdin=vectors, capture_output=True, text=True, check=False)
    if run.returncode == _BAD_INPUT:
        raise VectorError(run.stderr.strip())
    run.check_returncode()
    *wrong, (_, count, results, mismatches, seconds) = [line.split() for line in run.stdout.splitlines()]
    return Verdict(
        vectors=int(count),
        results=int(results),
        mismatches=int(mismatches),
        first=tuple(_difference(words[1:]) for words in wrong),
        seconds=float(seconds),
    )
