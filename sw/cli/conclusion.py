"""The end of every command that measures: write the figures, say where they are, fail on a must that was missed."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.errors import MakaluError
from makalu.sw.results import RESULTS, Figure, failed, write_results

__all__ = ["MissedError", "conclude"]


class MissedError(MakaluError, RuntimeError):
    """A must was missed; the figures are written all the same."""


def conclude(
    command: str,
    config: CoreConfig | Sequence[CoreConfig],
    figures: Sequence[Figure],
    console: Console,
    *,
    earlier: Sequence[Figure] = (),
    folder: Path = RESULTS,
) -> None:
    """Writes `earlier` and `figures`; only `figures` are judged. Errors: `MissedError`."""
    path = write_results(command, config, [*earlier, *figures], folder=folder)
    console.print(f"figures: {path.relative_to(path.parents[2])}")
    missed = failed(figures)
    if missed:
        raise MissedError("; ".join(f"{f.name} is {f.value}, must be {f.bar}" for f in missed))
