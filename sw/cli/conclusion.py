"""The end of every command that measures: write the figures, say where they are, fail on a must that was missed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.sw.results import RESULTS, Figure, failed, write_results

__all__ = ["MissedError", "conclude", "say_where"]


class MissedError(MakaluError, RuntimeError):
    """A must was missed; the figures are written all the same."""


def conclude(
    command: str,
    config: CoreConfig | Sequence[CoreConfig],
    figures: Sequence[Figure],
    console: Console,
    *,
    earlier: Sequence[Figure] = (),
    part: str | None = None,
    part_presets: Sequence[str] = (),
    earlier_parts: Mapping[str, Any] | None = None,
    folder: Path = RESULTS,
) -> None:
    """Writes `earlier` and `figures`; only `figures` are judged. Parts as `write_results` has them.

    Errors: `MissedError`.
    """
    path = write_results(
        command,
        config,
        [*earlier, *figures],
        folder=folder,
        part=part,
        part_presets=part_presets,
        earlier=earlier_parts,
    )
    say_where(path, console)
    missed = failed(figures)
    if missed:
        raise MissedError("; ".join(f"{f.name} is {f.value}, must be {f.bar}" for f in missed))


def say_where(path: Path, console: Console, what: str = "figures") -> None:
    """A file that was written, by a path that is right in the folder of the call."""
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    console.print(f"{what}: {shown}", soft_wrap=True)
