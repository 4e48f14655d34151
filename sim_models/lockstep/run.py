"""A program on the core's model, started by the host and behind the memory contract `fixed`: what each cycle shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.engines import Channel, Queue
from makalu.spec.isa import FIELDS
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import REGISTERS, START

from .core import CoreModel
from .host import ScriptHost
from .memory import FixedMemory

__all__ = ["SeenCycle", "run_core", "start_accesses"]


@dataclass(frozen=True)
class SeenCycle:
    """One cycle of a run, before its edge."""

    number: int
    """Cycles since reset."""
    core: CoreModel
    """Its state is that of this cycle until the next one is asked for."""
    blocks: Mapping[str, Any]
    """`CoreModel.blocks`."""
    ports: Mapping[str, Any]
    """Of the core, inputs and outputs, by name."""

    def issued(self, queue: Queue) -> int | None:
        """Tag of the instruction that the queue issues."""
        return _traced(self.ports["issue"], queue)

    def finished(self, channel: Channel) -> int | None:
        """Tag of the instruction that finishes on the channel."""
        return _traced(self.ports["finish"], channel)


def _traced(port: int, number: int) -> int | None:
    """Of one {valid, tag} of many."""
    bits = FIELDS["tag"].bits
    item = port >> (1 + bits) * number
    return item >> 1 & (1 << bits) - 1 if item & 1 else None


def start_accesses(programs: Mapping[Queue, int]) -> list[tuple[str, int, int]]:
    """What the host writes to start the programs at these addresses, as lines of a script."""
    writes = {f"{queue.name.lower()}_address_low": address for queue, address in programs.items()}
    writes |= {"enable": sum(1 << queue for queue in programs), "control": START}
    return [("write", REGISTERS[name].address, value) for name, value in writes.items()]


def run_core(
    config: CoreConfig,
    image: NDArray[np.uint8],
    programs: Mapping[Queue, int],
    *,
    timing: MemoryTiming,
    most: int,
) -> Iterator[SeenCycle]:
    """Cycles from reset to the interrupt; `image` is the memory and is changed in place.

    Parameters: `programs` are addresses below 2^32 of first instructions; `most` cycles may pass from the start to the
    interrupt. Errors: `TimeoutError` when more do.
    """
    core = CoreModel(config)
    memory = FixedMemory(
        memory=image,
        timing=timing,
        data_bytes=config.bus.data_bytes,
        instruction_bytes=config.bus.instruction_bytes,
    )
    host = ScriptHost([*start_accesses(programs), ("wait", most, 0)])
    out: Mapping[str, Any] = {"irq": 0}
    while not host.done:
        asked = core.masters()
        answers = memory.comb(asked)
        inputs = host.inputs() | answers
        out = core.comb(inputs)
        yield SeenCycle(core.cycle, core, core.blocks(inputs), {**inputs, **out})
        core.tick(inputs)
        memory.tick(asked, answers)
        host.tick(out)
    if not out["irq"]:
        raise TimeoutError(f"no interrupt {most} cycles after the start")
