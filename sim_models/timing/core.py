"""Timing of the whole core: every issue and finish of a program, without data."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import CHANNELS, Channel
from makalu.spec.isa import Queue
from makalu.spec.memory import MemoryTiming

from .dma import DmaTiming
from .fetch import FixedInstructionPort, InstructionPort, RecordedInstructionPort
from .handshakes import Handshakes
from .lanes import LanesTiming
from .sequencer import Engine, SequencerTiming
from .tensor import TensorTiming
from .waits import EngineWork, Wait, Work, share_out

__all__ = ["CoreTiming", "Timeline", "TimelineEvent"]


@dataclass(frozen=True)
class TimelineEvent:
    """An issue (where: Queue) or a finish (where: Channel)."""

    cycle: int
    where: Queue | Channel
    tag: int
    index: int
    """How many instructions its queue issued before it."""


@dataclass(frozen=True)
class Timeline:
    """Issues by cycle and queue, finishes by cycle and channel; cycles count from the first after reset.

    `start`: the queues run first; `done`: the first cycle in which none runs. done - start is the register `cycles`.
    """

    start: int
    done: int
    issues: list[TimelineEvent]
    finishes: list[TimelineEvent]
    waits: list[Wait] = field(default_factory=list)
    """Of every queue from `start` to its halt, by queue and cycle; empty where nobody knows them, as in a trace."""
    work: list[Work] = field(default_factory=list)
    """Of every instruction of an engine, by channel and issue; empty as `waits`."""

    @property
    def cycles(self) -> int:
        return self.done - self.start


class CoreTiming:
    """timeline = f(programs, memory, start), to the cycle.

    The frame counter and the engines' clocks run freely from reset, so the cycle of the start matters. The time that a
    simulation takes goes with instructions, SBUF words of the tensor engine and bursts of the DMA, not with cycles,
    except where Vector and Scalar run at the same time or wait for a PSUM bank.

    Does not: know data; model refused instructions, bus errors or the watchdog; check programs.

    Parameters
    ----------
    config : CoreConfig
    memory : the contract `fixed`, or the record of a run, whose handshakes are replayed
    start : cycle after `clear`, the first in which the queues run; 0 is the first cycle after reset
    """

    def __init__(self, config: CoreConfig, memory: MemoryTiming | Handshakes, *, start: int = 0) -> None:
        self.config, self.memory, self.start = config, memory, start

    def run(
        self,
        streams: Mapping[Queue, Iterable[Instruction]],
        *,
        limit: int | None = None,
        report: Callable[[int], None] | None = None,
    ) -> Timeline:
        """Timeline of what each queue executes; `report` hears now and then how many instructions have issued.

        Errors: `TimeoutError` for a program that stops, or beyond cycle `limit`; `ValueError` for a stream without a
        halt at its end.
        """
        tensor = TensorTiming(self.config)
        lanes = LanesTiming(self.config, owned=tensor.owned_banks)
        dma = DmaTiming(self.config, self.memory)
        # the lanes go first: they look at who owned a bank in cycles that the tensor engine forgets when it advances
        models: dict[str, Engine] = {**lanes.engines, "tensor": tensor, "dma_load": dma.load, "dma_store": dma.store}
        rows = [row for name in models for row in CHANNELS.values() if row.stream == name]
        engines = {row.channel: models[row.stream] for row in rows}
        model = SequencerTiming(config=self.config, streams=streams, port=self._port(), engines=engines)
        done = model.run(start=self.start, limit=limit, report=report)
        issues = [TimelineEvent(e.cycle, e.queue, e.tag, e.index) for e in model.issues]
        finishes = [TimelineEvent(e.cycle, e.channel, e.tag, e.index) for e in model.finishes if e.channel is not None]
        finishes.sort(key=lambda e: (e.cycle, e.where))
        waits = [wait for queue in model.queues for wait in sorted(queue.log.waits, key=lambda w: w.first)]
        notes = {channel: engine.work_of(channel) for channel, engine in engines.items()}
        return Timeline(self.start, done, issues, finishes, waits, _work(model, notes))

    def _port(self) -> InstructionPort:
        if isinstance(self.memory, MemoryTiming):
            return FixedInstructionPort(config=self.config, timing=self.memory)
        return RecordedInstructionPort(self.memory.instruction_bursts())


def _work(model: SequencerTiming, notes: Mapping[Channel, list[EngineWork]]) -> list[Work]:
    out = []
    for channel, works in notes.items():
        issues = [(e.cycle, e.queue, e.index) for e in model.issues if e.channel is channel]
        finishes = [e.cycle for e in model.finishes if e.channel is channel]
        out += share_out(channel, issues, finishes, works)
    return out
