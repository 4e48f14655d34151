"""Why an instruction waits: each cause that the timing model and the reports name, and the counters that see it.

A queue waits for its head (`Cause`), an instruction inside its engine for something (`Hold`). A cycle of a queue counts
in one counter: while its engine works on an earlier instruction in `busy` or `stall_port`, as the engine says, else in
the one that stands here (`spec/registers.py`). `tests/test_blocks.py` compares the table with the models, cycle by
cycle where they say it.
"""

from dataclasses import dataclass

from makalu.sim_models.timing.waits import Cause, Hold
from makalu.spec.engines import Channel

__all__ = ["HOLDS", "WAITS", "EngineStall", "QueueStall"]


@dataclass(frozen=True)
class QueueStall:
    """The oldest instruction of a queue does not issue."""

    cause: Cause
    counter: str
    why: str


@dataclass(frozen=True)
class EngineStall:
    """An instruction that has issued and has not finished does not move anything in a cycle."""

    channels: tuple[Channel, ...]
    hold: Hold
    counters: tuple[str, ...]
    block: str
    """Whose page says more about what is waited for."""
    why: str


WAITS = (
    QueueStall(
        Cause.FETCH,
        "stall_fetch",
        "It has not come from memory. Five queues share a port that gives one instruction in 128 / "
        "`bus.instruction_bytes` cycles, and a burst takes the memory's latency.",
    ),
    QueueStall(
        Cause.DECODE,
        "stall_fetch",
        "It is in the decoder, which walks the dimensions of each operand to check its range.",
    ),
    QueueStall(Cause.SEMAPHORE, "stall_semaphore", "A semaphore has not reached the value that it waits for."),
    QueueStall(
        Cause.AFTER,
        "stall_semaphore",
        "It has `after` or is the `halt`, and an earlier instruction of its queue has not finished.",
    ),
    QueueStall(
        Cause.DEPTH,
        "stall_port",
        "Its finish channel holds as many issued instructions as it can (table Channels of "
        "[isa.md](../isa.md#channels)).",
    ),
    QueueStall(Cause.ENGINE, "stall_port", "Its engine does not accept it in this cycle."),
)

_LOAD, _MATMUL = Channel.TENSOR_LOAD, Channel.MATMUL
_LANES = (Channel.VECTOR, Channel.SCALAR)
_DMA_LOAD, _DMA_STORE = Channel.DMA_LOAD, Channel.DMA_STORE
_DMA = (_DMA_LOAD, _DMA_STORE)
_PORT = ("stall_port",)
_EITHER = ("busy", "stall_port")

HOLDS = (
    EngineStall((_LOAD,), Hold.START, ("busy",), "tensor", "Its first word is on the way to the edge."),
    EngineStall(
        (_LOAD,), Hold.PIPELINE, ("busy",), "tensor", "Its last group is on the way to the last row, L cycles a row."
    ),
    EngineStall(
        (_MATMUL,),
        Hold.START,
        _EITHER,
        "tensor",
        "Its first word has not been read, the load before it has no group at the edge yet, or a transpose beside it "
        "has bits on their way to its bank. The head counts it from the second cycle on. Of a transpose: its tile is "
        "on its way to the array, or rows above it pass.",
    ),
    EngineStall(
        (_MATMUL,),
        Hold.HAZARD,
        _PORT,
        "psum",
        "The element that the column adds to is still in PSUM's adder: columns to one element are A + 2 cycles apart.",
    ),
    EngineStall(
        (_MATMUL,),
        Hold.SBUF,
        _PORT,
        "sbuf",
        "A moving word is read in slot 2, one a frame: fewer than four elements of it are wanted, as with a stride or "
        "an unaligned start, or no line buffer is free.",
    ),
    EngineStall(
        (_MATMUL,),
        Hold.PIPELINE,
        ("busy",),
        "tensor",
        "Its last column has been sent, and sums are on their way through the array and PSUM's adder.",
    ),
    EngineStall(
        _LANES,
        Hold.SBUF,
        _PORT,
        "sbuf",
        "The arbiter has given the bank to the other engine.",
    ),
    EngineStall(
        _LANES,
        Hold.PSUM,
        _PORT,
        "psum",
        "The bank is owned by the tensor engine, or given to the other engine.",
    ),
    EngineStall(
        _DMA,
        Hold.LATENCY,
        _PORT,
        "dma",
        "Bursts are open, or no more may be opened, and no beat or answer is due yet.",
    ),
    EngineStall(_DMA, Hold.BANDWIDTH, _PORT, "dma", "A beat is due, and the memory's bytes a cycle do not allow it."),
    EngineStall(
        _DMA,
        Hold.MEMORY,
        _PORT,
        "dma",
        "One of the two, of a run whose handshakes are replayed: the record does not say which.",
    ),
    EngineStall(
        _DMA,
        Hold.SBUF,
        _EITHER,
        "sbuf",
        "A lane has no room for a line, or no line ready: it moves one word in eight cycles. A cycle in which some "
        "lane has its turn is busy.",
    ),
    EngineStall(
        (_DMA_LOAD,),
        Hold.PIPELINE,
        _EITHER,
        "dma",
        "Its last beat has come, and the lanes write what they hold. A cycle in which some lane has its turn is busy.",
    ),
)
