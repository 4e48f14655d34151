"""From a kernel to a program: trace, place tiles, lower, schedule, place memory, encode, check."""

from collections.abc import Callable
from typing import Any

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.encoding import Instruction
from makalu.hw.spec.errors import ErrorCode, MakaluError
from makalu.hw.spec.isa import Opcode, Queue
from makalu.sim_models.golden.check import check

from .allocator import allocate
from .lowering import lower
from .nki.recording import Recording, trace
from .program import Program, assemble, place_memory
from .scheduler import schedule

__all__ = ["CompileError", "compile_kernel", "compile_recording"]

Queues = dict[Queue, list[Instruction]]
Transform = Callable[[Queues], Queues]

_MEMORY_SPACING = 1 << 40
"""Stand-in addresses of memory tensors while only their dependencies matter."""


class CompileError(MakaluError, RuntimeError):
    """An instruction that the hardware would refuse; the message is the checker's."""


def compile_kernel(kernel: Callable[..., Any], config: CoreConfig, **arguments: Any) -> Program:
    """Program of `kernel` called with `arguments` (`TensorSpec` for tensors in memory) on `config`."""
    return compile_recording(trace(kernel, config, **arguments))


def compile_recording(recording: Recording, *, transform: Transform | None = None) -> Program:
    """Program of a recording; `transform` may change the scheduled queues.

    Errors: those of the allocator, the scheduler, the encoder, and `CompileError`.
    """
    config = recording.config
    addresses = allocate(recording)
    memory = [s for s in recording.storages if not s.buffer.on_chip]
    # instructions decide where tensors can start, tensors' addresses decide nothing about instructions but a field
    stand_in = {**addresses, **{storage: i * _MEMORY_SPACING for i, storage in enumerate(memory)}}
    queues = schedule(lower(recording, stand_in))
    if transform is not None:
        queues = transform(queues)
    count = sum(len(stream) for stream in queues.values())
    tensors = place_memory(config, [(s.name, s.shape, s.dtype) for s in memory], instructions=count)
    queues = {
        queue: [_relocated(i, [tensors[s.name].address for s in memory]) for i in stream]
        for queue, stream in queues.items()
    }
    _check(queues, config)
    return Program(
        streams=assemble(queues),
        tensors=tensors,
        inputs=tuple(s.name for s in recording.inputs),
        outputs=tuple(s.name for s in recording.outputs),
        preset=config.name,
        digest=config.digest,
    )


def _relocated(instruction: Instruction, starts: list[int]) -> Instruction:
    if instruction.opcode not in (Opcode.DMA_LOAD, Opcode.DMA_STORE):
        return instruction
    tensor, offset = divmod(instruction["address"], _MEMORY_SPACING)
    return Instruction(instruction.opcode, {**instruction.values, "address": starts[tensor] + offset})


def _check(queues: Queues, config: CoreConfig) -> None:
    for queue, stream in queues.items():
        for number, instruction in enumerate(stream):
            code, text = check(instruction, queue, config)
            if code is not ErrorCode.NONE:
                raise CompileError(f"{queue.name.lower()} instruction {number}: {code.name}: {text}")
