"""Bars on the terminal: one that counts simulated cycles, one that follows a build."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

__all__ = ["build_bar", "built_under_a_bar", "progress_bar"]


@contextmanager
def progress_bar(total: int | None) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the cycle; nothing is drawn where stdout is no terminal.

    `total` are the cycles that are expected; without them the bar only shows that something moves.
    """
    count = TextColumn("{task.completed:,} cycles")
    with Progress(TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("simulating", total=total)
        yield lambda cycle: bar.update(task, completed=cycle)


@contextmanager
def build_bar(name: str) -> Iterator[Callable[[float, float], None]]:
    """Gives a function to call with the share that is done and the whole; before its first call Verilog is generated.

    The bar stays: where stdout is no terminal, it is one line at the end.
    """
    with Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(f"generating {name}", total=None)
        yield lambda done, total: bar.update(task, description=f"building {name}", completed=done, total=total)


def built_under_a_bar(name: str, wanted: bool) -> AbstractContextManager[Callable[[float, float], None] | None]:
    """`build_bar`, or nothing at all."""
    return build_bar(name) if wanted else nullcontext(None)
