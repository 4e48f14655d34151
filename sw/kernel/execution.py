"""One run of a program: its bits by golden or the RTL, its cycles by the timing model or the RTL, and what they say.

| back end | bits | cycles |
|---|---|---|
| golden | the functional model | predicted |
| timing | none | predicted |
| rtl | the RTL, compared with golden | the RTL's, compared with the prediction |
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.sim_models.timing.core import Timeline
from makalu.spec.config import CoreConfig
from makalu.spec.formats import FORMATS
from makalu.sw.compile.program import Program
from makalu.sw.elements import Bits, from_bits
from makalu.sw.run import run_golden_machine
from makalu.sw.timing import predict

__all__ = ["Backend", "Execution", "Report", "RtlRun", "execute"]

Report = Callable[[str, int, int], None]
"""Hears what is being done, how many of its steps are done, 0 at first, and how many there are, 0 where no steps are
told apart."""


class Backend(StrEnum):
    GOLDEN = "golden"
    TIMING = "timing"
    RTL = "rtl"


@dataclass(frozen=True, kw_only=True)
class RtlRun:
    """What the RTL did: memory after the run, cycles, every issue and finish, and where the prediction was off."""

    memory: NDArray[np.uint8]
    timeline: Timeline
    predicted: Timeline
    """The timing model's, started in the run's cycle."""
    simulator: str
    difference: float
    """Largest distance of an issue or finish from the timing model's [cycles]."""
    events: int
    """Issues and finishes that were compared."""
    build_seconds: float
    seconds: float


Rtl = Callable[[Program, Mapping[str, ArrayLike | Bits], CoreConfig, Timeline], RtlRun]
"""Runs a program on the RTL; given by the caller, because this package does not know simulators."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """A run and its figures. `outputs` and `changed`: element bits by name, empty on the timing back end."""

    program: Program
    config: CoreConfig
    backend: Backend
    timeline: Timeline
    outputs: dict[str, NDArray[np.unsignedinteger]] = field(default_factory=dict)
    changed: dict[str, NDArray[np.unsignedinteger]] = field(default_factory=dict)
    compared: int = 0
    """Bytes of memory that the RTL and golden were compared in; 0 if they were not."""
    differing: int = 0
    rtl: RtlRun | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    """By what they were spent on."""

    predicted: Timeline
    """The timing model's: it knows why things waited."""

    @property
    def explained(self) -> Timeline:
        """The run's events with reasons: the prediction where every event was where it says, else the run's alone."""
        return self.predicted if self.rtl is None or self.rtl.difference == 0 else self.timeline

    @property
    def values(self) -> dict[str, NDArray[np.float32]]:
        """Outputs and the inputs that were written, as float32, which holds every element's value."""
        forms = {view.name: view.dtype for view in self.program.outputs}
        forms |= {name: self.program.tensors[name].dtype for name in self.changed}
        return {name: from_bits(bits, FORMATS[forms[name]]) for name, bits in {**self.outputs, **self.changed}.items()}

    @property
    def cycles(self) -> int:
        """From the start to the last halt."""
        return self.timeline.cycles


def execute(
    program: Program,
    inputs: Mapping[str, ArrayLike | Bits],
    config: CoreConfig,
    backend: Backend,
    *,
    rtl: Rtl | None = None,
    check: bool = True,
    report: Report | None = None,
) -> Execution:
    """Run `program`. `check`: compare the RTL with golden; `report` hears of instructions, now and then.

    Errors: those of golden, of the RTL, `ProgramError` for inputs or a configuration that do not fit.
    """
    seconds: dict[str, float] = {}

    def timed(
        name: str, work: Callable[[Callable[[int], None] | None], NDArray[np.uint8] | Timeline | RtlRun], steps: int
    ) -> object:
        if report is not None:
            report(name, 0, steps)
        began = time.monotonic()
        out = work(None if report is None else lambda done: report(name, done, steps))
        seconds[name] = time.monotonic() - began
        return out

    count = program.instructions
    timeline = timed("timing model", lambda tell: predict(program, config, report=tell), count)
    assert isinstance(timeline, Timeline)
    memory: NDArray[np.uint8] | None = None
    if backend is Backend.GOLDEN or (backend is Backend.RTL and check):
        golden = timed(
            "golden model", lambda tell: run_golden_machine(program, inputs, config=config, report=tell).memory, count
        )
        assert isinstance(golden, np.ndarray)
        memory = golden
    if backend is not Backend.RTL:
        return _finished(program, config, backend, timeline, timeline, memory, seconds)
    if rtl is None:
        raise ValueError("the RTL back end needs a function that runs the RTL")
    ran = timed("RTL", lambda _: rtl(program, inputs, config, timeline), 0)
    assert isinstance(ran, RtlRun)
    differing = 0 if memory is None else int(np.count_nonzero(memory != ran.memory))
    compared = 0 if memory is None else memory.size
    done = _finished(program, config, backend, ran.timeline, ran.predicted, ran.memory, seconds)
    return Execution(**{**vars(done), "rtl": ran, "compared": compared, "differing": differing})


def _finished(
    program: Program,
    config: CoreConfig,
    backend: Backend,
    timeline: Timeline,
    predicted: Timeline,
    memory: NDArray[np.uint8] | None,
    seconds: dict[str, float],
) -> Execution:
    return Execution(
        program=program,
        config=config,
        backend=backend,
        timeline=timeline,
        predicted=predicted,
        outputs={} if memory is None else program.output_bits(memory),
        changed={} if memory is None else {name: program.tensor_bits(memory, name) for name in program.changed},
        seconds=seconds,
    )
