"""A bar on the terminal that counts simulated cycles."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the cycle; nothing is drawn where stdout is no terminal."""
    count = TextColumn("{task.completed:,} cycles")
    with Progress(TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn(), transient=True) as bar:
        task = bar.add_task("simulating", total=total)
        yield lambda cycle: bar.update(task, completed=cycle)
