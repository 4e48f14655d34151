"""A small kernel on the lockstep model of `tiny`, and named signals of each of its cycles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from makalu.sim_models.lockstep.run import run_core
from makalu.spec.formats import FORMATS
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.sw.compile.compiler import Transform, compile_trace
from makalu.sw.nki.tracing import TensorSpec, trace

from .signals import Signal
from .timing_diagram import Lane, Span, timing_diagram

__all__ = ["LATENCY", "PRESET", "Scene"]

PRESET = load_preset("tiny")
LATENCY = 4
"""Of the memory [cycles]: small, so that a drawing has room for what comes behind it."""
_MOST = 10_000


class Scene:
    """A run of `kernel` with one input of `shape`, random numbers, from reset to the interrupt.

    `transform` may change the instructions of the queues (`compile_trace`).
    """

    def __init__(
        self,
        kernel: Callable[..., Any],
        shape: tuple[int, ...],
        dtype: str,
        signals: Mapping[str, Signal],
        transform: Transform | None = None,
    ) -> None:
        traced = trace(kernel, PRESET, x=TensorSpec(shape, FORMATS[dtype]))
        self.program = compile_trace(traced, transform=transform)
        image = self.program.image({"x": np.random.default_rng(0).normal(size=shape)})
        timing = MemoryTiming.of(PRESET.memory, latency=LATENCY)
        self.values: dict[str, list[Any]] = {name: [] for name in signals}
        for seen in run_core(PRESET, image, self.program.addresses, timing=timing, most=_MOST):
            for name, signal in signals.items():
                self.values[name].append(signal(seen))
        for name, values in self.values.items():
            if isinstance(values[0], dict):
                self.values[name] = [*map(_counted, values, values[1:]), None]

    def when(self, name: str) -> list[int]:
        """Cycles in which a signal is high, or carries something."""
        return [cycle for cycle, value in enumerate(self.values[name]) if value not in (False, None)]

    def span(self, first: int, last: int, text: str, cycles: int) -> Span:
        """Between two events; errors: `ValueError` when they are not `cycles` apart, as `text` says."""
        if last - first != cycles:
            raise ValueError(f"{text} is {cycles} cycles by the contract, {last - first} in the model")
        return Span(first, last, f"{text} = {cycles}")

    def drawing(self, title: str, first: int, last: int, lanes: Sequence[str | Sequence[Span]]) -> str:
        """SVG of the cycles from `first` to before `last`; lanes are names of signals, or spans."""
        return timing_diagram(
            title,
            first,
            [Lane(lane, self.values[lane][first:last]) if isinstance(lane, str) else lane for lane in lanes],
        )


def _counted(before: dict[str, int], after: dict[str, int]) -> str | None:
    return next((name.removeprefix("stall_")[:4] for name in before if after[name] != before[name]), None)
