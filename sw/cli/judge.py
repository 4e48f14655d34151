"""`makalu judge`: the arithmetic units' RTL beside vectors of anybody's."""

import sys
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import typer
from rich.console import Console

from makalu.sw.rtl.judge import Difference, VectorError, judge

__all__ = ["Form", "Subnormals", "judge_vectors"]

_BAD_INPUT = 2


class Form(StrEnum):
    PLAIN = "plain"
    TESTFLOAT = "testfloat"


class Subnormals(StrEnum):
    KEEP = "keep"
    FLUSH = "flush"


def judge_vectors(
    source: str, console: Console, *, form: Form, operation: str | None, subnormals: Subnormals, shown: int
) -> None:
    """Prints how many vectors there were, and the first results that differ.

    Raises `typer.Exit`: 1 where a result differs, 2 where the vectors break a rule, with the rule on stderr.
    """
    name = "standard input" if source == "-" else source
    try:
        _check(form, operation)
        with _opened(source) as vectors, console.status("the first call builds the units"):
            verdict = judge(vectors, operation=operation, subnormals=subnormals.value, shown=shown)
    except VectorError as error:
        typer.echo(f"makalu: {name}: {error}", err=True)
        raise typer.Exit(_BAD_INPUT) from error
    for difference in verdict.first:
        console.print(_line(name, difference), highlight=False, soft_wrap=True)
    more = verdict.mismatches - len(verdict.first)
    if more:
        console.print(f"and {more:,} more", highlight=False)
    pace = verdict.vectors / max(verdict.seconds, 1e-6)
    console.print(
        f"{verdict.vectors:,} vectors, {verdict.results:,} results, {verdict.mismatches:,} mismatches "
        f"({verdict.seconds:.2f} s of CPU, {pace:,.0f} vectors/s)",
        highlight=False,
    )
    if verdict.mismatches:
        raise typer.Exit(1)


def _check(form: Form, operation: str | None) -> None:
    if form is Form.TESTFLOAT and operation is None:
        raise VectorError("testfloat's lines do not name their operation: --operation must")
    if form is Form.PLAIN and operation is not None:
        raise VectorError("each plain line names its operation: --operation must go with --format testfloat")


def _opened(source: str) -> AbstractContextManager[IO[Any]]:
    if source == "-":
        return nullcontext(sys.stdin)
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise VectorError(f"vectors must be in a file that can be read: {error.strerror}") from error


def _line(name: str, difference: Difference) -> str:
    call = " ".join([difference.operation, *(f"{operand:x}" for operand in difference.operands)])
    results = f"expected {difference.expected:x}, {difference.unit} gave {difference.got:x}"
    return f"{name} line {difference.line}: {call}: {results}"
