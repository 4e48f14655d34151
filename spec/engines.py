"""Queues, engines and finish channels, once: RTL, models, scheduler and benches loop over these tables.

Which instruction goes to which channel stands in its row of `isa.py`. Port names follow from the rows: the sequencer
calls a stream by its name and a channel's ports `finish_<channel>` and `error_<channel>`; an engine calls its own
`finish`, `active`, ... with the part behind it where a row has one (`finish_load`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from .errors import ErrorCode

if TYPE_CHECKING:
    from .config import CoreConfig

__all__ = [
    "ACCESS_ENGINES",
    "CHANNELS",
    "QUEUES",
    "QUEUE_CHANNELS",
    "QUEUE_STREAMS",
    "STREAMS",
    "Channel",
    "ChannelSpec",
    "Queue",
    "StreamSpec",
    "finish_depth",
]


class Queue(IntEnum):
    """Of a core, in the order of its registers; each issues its instructions in order."""

    TENSOR = 0
    VECTOR = 1
    SCALAR = 2
    SYNC = 3
    GPSIMD = 4


QUEUES: tuple[Queue, ...] = tuple(Queue)

ACCESS_ENGINES = ("vector", "scalar")
"""Engines behind port A of SBUF and on PSUM's read side, in the order of the arbiter's ports. Each has a section of the
preset, with its rate, and lanes."""


def _part(name: str, part: str) -> str:
    return f"{name}_{part}" if part else name


@dataclass(frozen=True)
class StreamSpec:
    """One row a command stream: what a queue issues its instructions into."""

    queue: Queue
    engine: str
    """The block that takes them."""
    part: str = ""
    """Of an engine with several streams: how it calls this one."""

    @property
    def command(self) -> str:
        """The engine's name of the stream."""
        return self.part or "command"

    def port(self, kind: str) -> str:
        """The engine's port of a kind (`active`, `stalled`) that belongs to this stream."""
        return _part(kind, self.part)


STREAMS: dict[str, StreamSpec] = {
    "tensor": StreamSpec(Queue.TENSOR, "tensor"),
    "vector": StreamSpec(Queue.VECTOR, "vector"),
    "scalar": StreamSpec(Queue.SCALAR, "scalar"),
    "dma_load": StreamSpec(Queue.SYNC, "dma", "load"),
    "dma_store": StreamSpec(Queue.GPSIMD, "dma", "store"),
}


class Channel(IntEnum):
    """Finish channels: in each, instructions finish in the order in which they issued."""

    TENSOR_LOAD = 0
    MATMUL = 1
    VECTOR = 2
    SCALAR = 3
    DMA_LOAD = 4
    DMA_STORE = 5


@dataclass(frozen=True)
class ChannelSpec:
    """One row a finish channel: where its instructions go, and how their end is told."""

    channel: Channel
    stream: str
    """A name of `STREAMS`."""
    depth: Callable[["CoreConfig"], int]
    """Issued instructions that may be unfinished."""
    part: str = ""
    """Of an engine with several channels: how it calls this one."""
    fault: ErrorCode = ErrorCode.NONE
    """What an error reports that comes instead of a finish: of the bus, or of what an instruction has read."""

    @property
    def name(self) -> str:
        return self.channel.name.lower()

    @property
    def queue(self) -> Queue:
        return STREAMS[self.stream].queue

    @property
    def engine(self) -> str:
        return STREAMS[self.stream].engine

    @property
    def finish(self) -> str:
        """The sequencer's port."""
        return f"finish_{self.name}"

    @property
    def error(self) -> str | None:
        """The sequencer's port, where the engine finds errors."""
        return f"error_{self.name}" if self.fault else None

    def port(self, kind: str) -> str:
        """The engine's port of a kind (`finish`, `error`) that belongs to this channel."""
        return _part(kind, self.part)


def _array_work(config: "CoreConfig") -> int:
    """The array holds (rows * L + columns) cycles of work; instructions shorter than 8 cycles may wait."""
    cycles = config.tensor.rows * config.tensor.add_stages + config.tensor.columns
    return max(8, 1 << (cycles // 8 - 1).bit_length())


def _one_at_a_time(config: "CoreConfig") -> int:
    return 2


def _twice_the_queue(config: "CoreConfig") -> int:
    """Two instructions for each place in the engine's queue."""
    return 2 * config.dma.queue


CHANNELS: dict[Channel, ChannelSpec] = {
    row.channel: row
    for row in (
        ChannelSpec(Channel.TENSOR_LOAD, "tensor", _array_work, "load", ErrorCode.TAG),
        ChannelSpec(Channel.MATMUL, "tensor", _array_work, "matmul", ErrorCode.TAG),
        ChannelSpec(Channel.VECTOR, "vector", _one_at_a_time),
        ChannelSpec(Channel.SCALAR, "scalar", _one_at_a_time),
        ChannelSpec(Channel.DMA_LOAD, "dma_load", _twice_the_queue, "load", ErrorCode.BUS_READ),
        ChannelSpec(Channel.DMA_STORE, "dma_store", _twice_the_queue, "store", ErrorCode.BUS_WRITE),
    )
}

QUEUE_CHANNELS: dict[Queue, tuple[Channel, ...]] = {
    queue: tuple(channel for channel, row in CHANNELS.items() if row.queue is queue) for queue in QUEUES
}
QUEUE_STREAMS: dict[Queue, tuple[str, ...]] = {
    queue: tuple(name for name, row in STREAMS.items() if row.queue is queue) for queue in QUEUES
}


def finish_depth(config: "CoreConfig", channel: Channel) -> int:
    """Issued instructions of a channel that may be unfinished; the next one waits. A power of two."""
    return CHANNELS[channel].depth(config)
