"""One run of a program, as reports take it."""

from dataclasses import dataclass

from makalu.sim_models.timing.core import Timeline
from makalu.spec.config import CoreConfig
from makalu.spec.memory import MemoryTiming
from makalu.sw.compile.program import Program, ProgramError

__all__ = ["RunRecord"]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A program, and when its instructions issued and finished.

    The timeline comes from the timing model (`sw/timing.py`), or from a trace. A trace knows no reasons: without
    `waits` and `work` reports state waiting and busy cycles as they are, unsplit. A prediction that replays the run's
    handshakes is equal to the trace in every cycle and has them.

    Errors: `ProgramError` for a program of another configuration.
    """

    config: CoreConfig
    program: Program
    timeline: Timeline
    simulated_by: str = "timing model"
    """What the cycles come from, for the reader."""
    kernel: str = "kernel"
    memory: MemoryTiming | None = None
    """The memory behind the data port; None: the preset's."""

    def __post_init__(self) -> None:
        if self.program.digest != self.config.digest:
            raise ProgramError(f"the program was compiled for preset {self.program.preset}, not {self.config.name}")

    @property
    def bytes_per_cycle(self) -> float:
        """Of the memory, reads and writes together."""
        memory = self.memory or MemoryTiming.of(self.config.memory)
        return memory.numerator / memory.denominator
