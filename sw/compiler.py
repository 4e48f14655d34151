"""From a kernel to a program: trace, place tiles, lower, schedule, place memory, encode, check."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.encoding import Instruction
from makalu.hw.spec.errors import ErrorCode, MakaluError
from makalu.hw.spec.isa import Opcode, Queue
from makalu.sim_models.golden.check import check

from .allocator import allocate, lifetimes, unit_of
from .compile.tile import PlacedTile
from .lowering import Lowered, lower
from .nki.recording import Operation, Recording, trace
from .nki.tensor import Buffer, Storage
from .program import Program, assemble, place_memory
from .scheduler import schedule

__all__ = ["CompileError", "compile_kernel", "compile_recording"]

Queues = dict[Queue, list[Instruction]]
Transform = Callable[[Queues], Queues]

_MEMORY_SPACING = 1 << 40
"""Stand-in addresses of memory tensors while only their dependencies matter."""


class CompileError(MakaluError, RuntimeError):
    """An instruction that the hardware would refuse (the message is the checker's), or an output without a value."""


def compile_kernel(kernel: Callable[..., Any], config: CoreConfig, **arguments: Any) -> Program:
    """Program of `kernel` called with `arguments` (`TensorSpec` for tensors in memory) on `config`."""
    return compile_recording(trace(kernel, config, **arguments))


def compile_recording(recording: Recording, *, transform: Transform | None = None) -> Program:
    """Program of a recording; `transform` may change the scheduled queues.

    Errors: those of the allocator, the scheduler, the encoder, and `CompileError`.
    """
    config = recording.config
    _check_outputs(recording)
    addresses = allocate(recording)
    memory = [s for s in recording.storages if not s.buffer.on_chip]
    # instructions decide where tensors can start, tensors' addresses decide nothing about instructions but a field
    stand_in = {**addresses, **{storage: i * _MEMORY_SPACING for i, storage in enumerate(memory)}}
    lowered = lower(recording, stand_in)
    queues = schedule(lowered)
    if transform is not None:
        queues = transform(queues)
    count = sum(len(stream) for stream in queues.values())
    tensors = place_memory(config, [(s.name, s.shape, s.dtype) for s in memory], instructions=count)
    queues = {
        queue: [_relocated(i, [tensors[s.name].address for s in memory]) for i in stream]
        for queue, stream in queues.items()
    }
    origins = {queue: _origins(queue, stream, lowered) for queue, stream in queues.items()}
    _check(queues, origins, config)
    return Program(
        streams=assemble(queues),
        tensors=tensors,
        inputs=tuple(s.name for s in recording.inputs),
        outputs=tuple(s.name for s in recording.outputs),
        preset=config.name,
        digest=config.digest,
        origins=origins,
        tiles=_tiles(recording, addresses, lowered),
    )


def _tiles(
    recording: Recording, addresses: Mapping[Storage, int], lowered: Sequence[Lowered]
) -> tuple[PlacedTile, ...]:
    """Every tile, its life in instructions: an operation may be several."""
    spans: dict[int, tuple[int, int]] = {}
    for tag, each in enumerate(lowered):
        first, _ = spans.get(id(each.origin), (tag, tag))
        spans[id(each.origin)] = first, tag
    out = []
    for buffer in (Buffer.SBUF, Buffer.PSUM):
        unit = unit_of(recording.config, buffer)
        for life in lifetimes(recording, buffer):
            storage = life.storage
            ends = [spans[id(recording.operations[number])] for number in (life.first, life.last)]
            out.append(
                PlacedTile(
                    storage.name,
                    buffer.value,
                    addresses[storage],
                    -(-storage.row_bytes // unit) * unit,
                    storage.shape[0],
                    ends[0][0],
                    ends[1][1],
                    str(life.site),
                )
            )
    return tuple(out)


def _check_outputs(recording: Recording) -> None:
    stored = {op.tensors["memory"].storage for op in recording.operations if op.opcode == Opcode.DMA_STORE}
    for output in recording.outputs:
        if output not in stored:
            raise CompileError(f"output {output} is never written: no nisa.dma_copy has it as dst")


def _origins(queue: Queue, stream: Sequence[Instruction], lowered: Sequence[Lowered]) -> tuple[Operation | None, ...]:
    """The operation behind each instruction: a queue keeps the order, only `nop` and `halt` come in between."""
    own = iter(each.origin for each in lowered if each.queue == queue)
    return tuple(None if i.opcode in (Opcode.NOP, Opcode.HALT) else next(own, None) for i in stream)


def _relocated(instruction: Instruction, starts: list[int]) -> Instruction:
    if instruction.opcode not in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
        return instruction
    tensor, offset = divmod(instruction["address"], _MEMORY_SPACING)
    return Instruction(instruction.opcode, {**instruction.values, "address": starts[tensor] + offset})


def _check(queues: Queues, origins: Mapping[Queue, Sequence[Operation | None]], config: CoreConfig) -> None:
    for queue, stream in queues.items():
        for number, instruction in enumerate(stream):
            code, text = check(instruction, queue, config)
            if code is not ErrorCode.NONE:
                origin = origins[queue][number]
                place = f" ({origin})" if origin else ""
                raise CompileError(f"{queue.name.lower()} instruction {number}: {code.name}: {text}{place}")
