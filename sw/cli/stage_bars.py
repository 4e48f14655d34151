"""What a long run is at: a line a stage, and on a terminal a bar for those that count their steps."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from makalu.sw.kernel.execution import Report

__all__ = ["stage_bars"]


@contextmanager
def stage_bars(console: Console) -> Iterator[Report]:
    """Gives a function to call with a stage, its steps so far and all of them; the bar goes when the stage ends.

    One bar at a time, and none while a stage without steps runs: it may draw its own.
    """
    bars = _Bars(console)
    try:
        yield bars.tell
    finally:
        bars.end()


class _Bars:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def tell(self, stage: str, done: int, total: int) -> None:
        if done and self._bar is not None:
            self._bar.update(self._task, completed=done)
        elif not done:
            self.end()
            self._console.print(f"[dim]{stage}[/]")
            if total and self._console.is_terminal:
                count = TextColumn("{task.completed:,} of {task.total:,} instructions")
                columns = (TextColumn("{task.description}"), BarColumn(), count, TimeElapsedColumn())
                self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
                self._task = self._bar.add_task(stage, total=total)
                self._bar.start()

    def end(self) -> None:
        """The stage that had a bar is over."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
