"""When a program's instructions issue and finish, from the timing models alone."""

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.memory import MemoryTiming
from makalu.sim_models.timing.core import CoreTiming, Timeline
from makalu.sim_models.timing.handshakes import Handshakes

from .program import Program, ProgramError

__all__ = ["predict"]


def predict(
    program: Program, config: CoreConfig, memory: MemoryTiming | Handshakes | None = None, *, start: int = 0
) -> Timeline:
    """Timeline of a program behind `memory` (default: the preset's); `start` as in `CoreTiming`."""
    if config.digest != program.digest:
        raise ProgramError(f"the program was compiled for preset {program.preset}, not for {config.name}")
    return CoreTiming(config, memory or MemoryTiming.of(config.memory), start=start).run(program.streams)
