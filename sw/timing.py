"""When a program's instructions issue and finish, from the timing models alone."""

from collections.abc import Callable

from makalu.sim_models.timing.core import CoreTiming, Timeline
from makalu.sim_models.timing.handshakes import Handshakes
from makalu.spec.config import CoreConfig
from makalu.spec.memory import MemoryTiming

from .compile.program import Program
from .run import check_preset

__all__ = ["predict"]


def predict(
    program: Program,
    config: CoreConfig,
    memory: MemoryTiming | Handshakes | None = None,
    *,
    start: int = 0,
    report: Callable[[int], None] | None = None,
) -> Timeline:
    """Timeline of a program behind `memory` (default: the preset's); `start` and `report` as in `CoreTiming`."""
    check_preset(program, config)
    return CoreTiming(config, memory or MemoryTiming.of(config.memory), start=start).run(
        program.executed(), report=report
    )
