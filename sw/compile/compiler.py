"""From a kernel to a program: trace, place tiles, lower, schedule, place memory, encode, check."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from makalu.sim_models.golden.check import check, loaded_by
from makalu.sim_models.golden.place import Loaded
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.errors import ErrorCode, MakaluError
from makalu.spec.isa import Queue
from makalu.spec.sequencer import CONTROL_OPCODES
from makalu.sw.nki.recording import Operation
from makalu.sw.nki.storage import Buffer, Storage
from makalu.sw.nki.tensor import Tensor
from makalu.sw.nki.tracing import Output, Traced, trace

from .allocate import Span, allocate
from .lowering import SPACING, Lowered, lower
from .program import Origin, OutputView, Program, assemble, place_memory
from .schedule import schedule
from .tile import PlacedTile

__all__ = ["CompileError", "Queues", "Transform", "compile_kernel", "compile_trace"]

Queues = dict[Queue, list[Instruction]]
Transform = Callable[[Queues], Queues]


class CompileError(MakaluError, RuntimeError):
    """An instruction that the hardware would refuse (the message is the checker's), or an output without a value."""


def compile_kernel(kernel: Callable[..., Any], config: CoreConfig, /, *args: Any, **kwargs: Any) -> Program:
    """Program of `kernel` called with arguments (`TensorSpec` for tensors in memory) on `config`."""
    return compile_trace(trace(kernel, config, *args, **kwargs), kernel=getattr(kernel, "__name__", ""))


def compile_trace(
    traced: Traced,
    *,
    kernel: str = "",
    keep_addresses: bool = False,
    whole_outputs: bool = True,
    transform: Transform | None = None,
) -> Program:
    """Program of a recording; `transform` may change the scheduled queues.

    `keep_addresses`: tiles lie where the kernel's `address=` says; else these are ignored. `whole_outputs`: an output
    that is never written, or in part, is an error.
    Errors: those of the allocator, the scheduler, the encoder, and `CompileError`.
    """
    recording = traced.recording
    config, operations = recording.config, list(recording.operations())
    if whole_outputs:
        _check_outputs(traced.outputs)
    if not operations:
        raise CompileError("the kernel has no instructions: it returns its arguments as they are")
    spans, addresses = _placed(config, operations, keep_addresses)
    used = {t.storage for op in operations for t in op.tensors.values()} | set(recording.inputs)
    used |= {output.tensor.storage for output in traced.outputs}
    memory = [s for s in recording.storages if not s.buffer.on_chip and s in used]
    outside = {storage: i for i, storage in enumerate(memory, 1)}
    most, types = config.sequencer.elements, config.elements
    lowered = list(lower(operations, addresses, outside, most=most, types=types))
    # instructions decide where tensors can start, tensors' addresses decide nothing about instructions but a field
    queues = schedule([each.step for each in lowered], config)
    if transform is not None:
        queues = transform(queues)
    count = sum(len(stream) for stream in queues.values())
    tensors = place_memory(config, [(s.name, s.shape, s.dtype) for s in memory], instructions=count)
    starts = [tensors[s.name].address for s in memory]
    queues = {queue: [_relocated(i, starts) for i in stream] for queue, stream in queues.items()}
    lines, numbers = _lines(operations)
    origins = {queue: _origins(queue, stream, lowered, numbers) for queue, stream in queues.items()}
    _check(queues, origins, lines, config)
    return Program(
        streams=assemble(queues),
        tensors=tensors,
        inputs=tuple(s.name for s in recording.inputs),
        outputs=tuple(_view(output) for output in traced.outputs),
        changed=tuple(output.name for output in traced.changed),
        constants={s.name: bits for s, bits in recording.constants.items() if s in used},
        preset=config.name,
        digest=config.digest,
        kernel=kernel,
        notes=(*recording.warnings, *_ignored(spans, keep_addresses)),
        lines=lines,
        origins=origins,
        tiles=_tiles(spans, addresses, lowered, config),
    )


def _check_outputs(outputs: Sequence[Output]) -> None:
    for output in outputs:
        missing = output.tensor.storage.unwritten(output.tensor)
        if missing:
            count, first = output.tensor.storage.first_unwritten() or (0, ())
            size = output.tensor.storage.bytes // output.tensor.storage.item
            what = "never written" if count == size else f"written in part: {count} of {size} elements are not"
            raise CompileError(f"output {output.tensor.storage} is {what}, the first at {list(first)}")


def _placed(
    config: CoreConfig, operations: Sequence[Operation], keep: bool
) -> tuple[dict[Storage, Span], dict[Storage, int]]:
    """Lifetime and byte in its partitions of every tile that is used."""
    lives: dict[Storage, tuple[int, int, str]] = {}
    for number, operation in enumerate(operations):
        for tensor in operation.tensors.values():
            if tensor.buffer.on_chip:
                first, _, site = lives.get(tensor.storage, (number, number, operation.site))
                lives[tensor.storage] = first, number, site
    spans = {
        storage: Span(
            name=str(storage),
            memory=storage.buffer.value,
            bytes=storage.row_bytes,
            first=first,
            last=last,
            site=site,
            address=None if storage.address is None else storage.address[1],
        )
        for storage, (first, last, site) in lives.items()
    }
    addresses = allocate(list(spans.values()), config, keep_addresses=keep)
    return spans, dict(zip(spans, addresses, strict=True))


def _ignored(spans: Mapping[Storage, Span], keep: bool) -> list[str]:
    count = sum(span.address is not None for span in spans.values())
    if not count or keep:
        return []
    return [f"address= of {count} tiles is ignored: tiles are placed by their lifetimes (--keep-addresses honours it)"]


def _view(output: Output) -> OutputView:
    tensor: Tensor = output.tensor
    return OutputView(output.name, tensor.name, tensor.dtype.name, tensor.shape, tensor.steps, tensor.start)


def _lines(operations: Sequence[Operation]) -> tuple[tuple[Origin, ...], list[int]]:
    """Distinct origins, and the number of each operation's."""
    known: dict[Origin, int] = {}
    texts: dict[object, str] = {}

    def named(value: object) -> str:
        if value not in texts:
            texts[value] = str(value)
        return texts[value]

    numbers = []
    for operation in operations:
        operands = ", ".join(f"{role} {tensor}" for role, tensor in operation.tensors.items())
        origin = Origin(operation.call, tuple(named(site) for site in operation.sites), operands)
        numbers.append(known.setdefault(origin, len(known)))
    return tuple(known), numbers


def _origins(
    queue: Queue, stream: Sequence[Instruction], lowered: Sequence[Lowered], numbers: Sequence[int]
) -> tuple[int | None, ...]:
    """The origin of each instruction: a queue keeps the order, only `nop` and `halt` come in between."""
    mine = iter([numbers[each.operation] for each in lowered if each.step.queue == queue])
    return tuple(None if i.opcode in CONTROL_OPCODES else next(mine) for i in stream)


def _tiles(
    spans: Mapping[Storage, Span],
    addresses: Mapping[Storage, int],
    lowered: Sequence[Lowered],
    config: CoreConfig,
) -> tuple[PlacedTile, ...]:
    """Tiles with their lives in instructions instead of operations."""
    word = config.sbuf.word_bytes
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, each in enumerate(lowered):
        first.setdefault(each.operation, number)
        last[each.operation] = number
    return tuple(
        PlacedTile(
            name=storage.name,
            memory=span.memory,
            address=addresses[storage],
            bytes=-(-span.bytes // word) * word if span.memory == Buffer.SBUF.value else span.bytes,
            partitions=storage.shape[0],
            first=first[span.first],
            last=last[span.last],
            site=span.site,
        )
        for storage, span in spans.items()
    )


def _relocated(instruction: Instruction, starts: Sequence[int]) -> Instruction:
    """With the address of a tensor in place of its number."""
    if "address" not in instruction.values:
        return instruction
    number, offset = divmod(instruction["address"], SPACING)
    return Instruction(instruction.opcode, {**instruction.values, "address": starts[number - 1] + offset})


def _check(
    queues: Queues, origins: Mapping[Queue, Sequence[int | None]], lines: Sequence[Origin], config: CoreConfig
) -> None:
    for queue, stream in queues.items():
        loaded: Loaded | None = None
        for instruction, number in zip(stream, origins[queue], strict=True):
            code, text = check(instruction, queue, config, loaded=loaded)
            if code is not ErrorCode.NONE:
                origin = "" if number is None else f" ({lines[number]})"
                raise CompileError(f"{queue.name.lower()}: {code.name}: {text}{origin}")
            loaded = loaded_by(instruction, loaded)
