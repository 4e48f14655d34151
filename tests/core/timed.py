"""One run of a compiled program on the RTL, against golden's memory and the timing model's cycles."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from makalu.sim_models.timing.core import Timeline
from makalu.spec.memory import MemoryTiming, StallProbabilities
from makalu.sw.compile.program import Program
from makalu.sw.rtl.machine import RunResult
from makalu.sw.rtl.timing import first_difference, largest_difference, predict_run
from makalu.sw.rtl.trace import Trace
from makalu.sw.run import run_golden_machine
from tests.core.machines import quick_machine, quick_observe
from verif.lib.variants import bench_config

__all__ = ["Case", "accounts", "check", "memory_of", "run"]

MOST_CYCLES = 400_000


@dataclass(frozen=True, eq=False)
class Case:
    """A program for `preset` and its inputs."""

    preset: str
    program: Program
    inputs: dict[str, Any]

    @cached_property
    def golden(self) -> np.ndarray:
        """The whole memory after the program, byte by byte."""
        return run_golden_machine(self.program, self.inputs, config=bench_config(self.preset)).memory


def memory_of(preset: str, latency: int) -> MemoryTiming:
    return MemoryTiming.of(bench_config(preset).memory, latency=latency)


def run(case: Case, memory: MemoryTiming, stalls: StallProbabilities | None = None) -> RunResult:
    """With `stalls` the run has a log of its handshakes."""
    extra: dict[str, Any] = {} if stalls is None else {"stalls": stalls, "log": True}
    image = case.program.image(case.inputs)
    result = quick_machine(case.preset).run(
        image,
        case.program.addresses,
        max_cycles=MOST_CYCLES,
        memory=memory,
        random=case.program.random_seed,
        **extra,
    )
    assert not result.error
    return result


def accounts(case: Case, result: RunResult, memory: MemoryTiming | None = None) -> tuple[Timeline, Trace]:
    """Prediction and trace; the run's large files go."""
    both = predict_run(case.program, bench_config(case.preset), result, memory, observe=quick_observe(case.preset))
    for path in (result.trace, result.log):
        if path is not None:
            path.unlink()
    result.trace.parent.rmdir()
    return both


def check(case: Case, memory: MemoryTiming, stalls: StallProbabilities | None = None) -> Trace:
    """Every byte is golden's and every issue and finish is in the predicted cycle, with none missing; the trace.

    Behind `stalls` the run's own handshakes are replayed.
    """
    result = run(case, memory, stalls)
    wrong = np.flatnonzero(result.memory != case.golden)
    assert not wrong.size, f"{wrong.size} bytes differ from golden, first at {int(wrong[0]):#x}"
    timeline, trace = accounts(case, result, memory if stalls is None else None)
    # everything issues once, and everything but nop and halt finishes
    assert len(trace.issues()) == case.program.instructions and len(timeline.issues) == case.program.instructions
    assert largest_difference(timeline, trace) == 0, first_difference(timeline, trace)
    assert timeline.cycles == result.cycles
    return trace
