"""Calls in processes of their own, some at a time, each with a limit of time.

A job is forked: what this process has imported is there at once. It leads a process group, so that at its limit, or
when the caller has enough, all that it started ends with it.

Does not: give an exception back (`call` must catch what it expects); work in a process that has threads, because a lock
that one of them holds would stay held in the job.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any

__all__ = ["Done", "run_jobs"]

_FORK = get_context("fork")


@dataclass(frozen=True)
class Done:
    """What came of a job: `value` of the call, or `late` where it met its limit; a job that died has neither."""

    number: int
    value: Any
    late: bool
    seconds: float


@dataclass
class _Running:
    number: int
    process: ForkProcess
    answer: Connection
    began: float
    end: float


def _work(call: Callable[[int], Any], number: int, answer: Connection) -> None:
    os.setsid()
    for stream in (1, 2):  # tools talk
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    answer.send(call(number))
    answer.close()


def _end(running: _Running) -> None:
    """The whole group: a simulation is a child of the job."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(running.process.pid or 0, signal.SIGKILL)
    running.process.join()
    running.answer.close()


def run_jobs(
    call: Callable[[int], Any], numbers: Iterable[int], *, workers: int, limit: Callable[[int], float]
) -> Iterator[Done]:
    """`call(number)` of each, `workers` at a time, in the order in which they end; `limit(number)` in seconds."""
    todo = iter(numbers)
    running: list[_Running] = []
    try:
        while True:
            while len(running) < workers and (number := next(todo, None)) is not None:
                mine, theirs = _FORK.Pipe(duplex=False)
                process = _FORK.Process(target=_work, args=(call, number, theirs), daemon=False)
                process.start()
                theirs.close()
                now = time.monotonic()
                running.append(_Running(number, process, mine, now, now + limit(number)))
            if not running:
                return
            wait([each.answer for each in running], max(0.0, min(each.end for each in running) - time.monotonic()))
            for each in list(running):
                now, answered = time.monotonic(), each.answer.poll()
                if not answered and now < each.end:
                    continue
                value = None
                if answered:
                    with suppress(EOFError):  # it died
                        value = each.answer.recv()
                running.remove(each)
                _end(each)
                yield Done(each.number, value, not answered, now - each.began)
    finally:
        for each in running:
            _end(each)
