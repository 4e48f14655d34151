"""A compiled program: an instruction stream a queue, constants and named tensors in one memory image.

Layout from `BASE` upwards: the streams in the order of `Queue`, each on an instruction boundary, then the tensors, each
on a burst boundary, then a guard so that no burst of a fetch runs past the end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import ArrayLike, NDArray

from makalu.spec.axi import PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, decode, encode
from makalu.spec.errors import MakaluError
from makalu.spec.formats import FORMATS, Format
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES, Queue
from makalu.sw.elements import Bits, bits_type, from_bits, to_bits

from .tile import PlacedTile

__all__ = ["BASE", "MemoryTensor", "Origin", "OutputView", "Program", "ProgramError", "assemble", "place_memory"]

BASE = 0x1000
"""First byte of the image that a program uses."""
PAGE = PAGE_BYTES
"""The image's size is a multiple of this; bursts never cross it."""


class ProgramError(MakaluError, ValueError):
    """Inputs or a file do not fit the program."""


@dataclass(frozen=True)
class MemoryTensor:
    """Row-major, `bytes` of the image from `address` on."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    address: int

    @property
    def format(self) -> Format:
        return FORMATS[self.dtype]

    @property
    def bytes(self) -> int:
        return prod(self.shape) * self.format.bytes


@dataclass(frozen=True)
class OutputView:
    """What a kernel returned: a strided view of a memory tensor."""

    name: str
    tensor: str
    dtype: str
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    """Bytes from one element to the next in each dimension."""
    start: int
    """Byte of the first element in the tensor."""


@dataclass(frozen=True)
class Origin:
    """What a kernel wrote that became an instruction."""

    call: str
    """Of NKI: "nisa.dma_copy"."""
    sites: tuple[str, ...]
    """file:line in the kernel, innermost first."""
    operands: str
    """The instruction's tensors in the kernel's names."""

    @property
    def site(self) -> str:
        """The innermost line."""
        return self.sites[0] if self.sites else ""

    def __str__(self) -> str:
        called = "".join(f", called from {site}" for site in self.sites[1:])
        return f"{self.call} of {self.operands}" + (f", {self.site}{called}" if self.sites else "")


@dataclass(frozen=True, kw_only=True)
class Program:
    """Streams and tensors of one kernel for one configuration.

    `streams`: encoded instructions a queue; `tensors` by name; `inputs`: names of those that a run is given; `preset`
    and `digest` of the configuration; `bytes`: size of the image.
    """

    streams: dict[Queue, bytes]
    tensors: dict[str, MemoryTensor]
    inputs: tuple[str, ...]
    outputs: tuple[OutputView, ...]
    preset: str
    digest: str
    random_seed: int = 0
    """What the register `seed` is to hold at the start, where something is rounded stochastically."""
    changed: tuple[str, ...] = ()
    """Inputs that the program writes."""
    constants: dict[str, NDArray[np.unsignedinteger]] = field(default_factory=dict, compare=False, repr=False)
    """Element bits of tensors that the program brings along, by name."""
    kernel: str = ""
    """Name of the kernel."""
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """What the author of the kernel should know: warnings, and what was not done as it was said."""
    lines: tuple[Origin, ...] = field(default=(), compare=False, repr=False)
    origins: dict[Queue, tuple[int | None, ...]] = field(default_factory=dict, compare=False, repr=False)
    """For each instruction the number of its origin in `lines`."""
    tiles: tuple[PlacedTile, ...] = field(default=(), compare=False, repr=False)
    """Where SBUF and PSUM tiles lie, and when."""

    def origin(self, queue: Queue, address: int) -> Origin | None:
        """Where the instruction at `address` comes from, where it is known."""
        number = (address - self.addresses.get(queue, address)) // INSTRUCTION_BYTES
        known = self.origins.get(queue, ())
        line = known[number] if 0 <= number < len(known) else None
        return None if line is None else self.lines[line]

    def executed(self) -> dict[Queue, Iterator[Instruction]]:
        """What each queue executes, in order: today its instructions as they stand in memory."""
        return {queue: (instruction for _, instruction in self.steps(queue)) for queue in self.streams}

    def steps(self, queue: Queue) -> Iterator[tuple[int, Instruction]]:
        """What a queue executes, each instruction with its address."""
        stream, start = self.streams[queue], self.addresses[queue]
        for at in range(0, len(stream), INSTRUCTION_BYTES):
            yield start + at, decode(stream[at : at + INSTRUCTION_BYTES])

    @property
    def addresses(self) -> dict[Queue, int]:
        """Byte address of each queue's first instruction."""
        return _stream_addresses({queue: len(stream) for queue, stream in self.streams.items()})

    @property
    def bytes(self) -> int:
        ends = [t.address + t.bytes for t in self.tensors.values()]
        ends += [self.addresses[queue] + len(stream) for queue, stream in self.streams.items()]
        return -(-max(ends) // PAGE) * PAGE + PAGE

    @property
    def instructions(self) -> int:
        return sum(len(stream) for stream in self.streams.values()) // INSTRUCTION_BYTES

    def image(self, inputs: Mapping[str, ArrayLike | Bits]) -> NDArray[np.uint8]:
        """Memory before the run, byte 0 at address 0. Errors: missing, unknown, misshaped inputs; values: `to_bits`."""
        if set(inputs) != set(self.inputs):
            raise ProgramError(f"inputs must be {sorted(self.inputs)}, not {sorted(inputs)}")
        memory = np.zeros(self.bytes, np.uint8)
        for queue, stream in self.streams.items():
            address = self.addresses[queue]
            memory[address : address + len(stream)] = np.frombuffer(stream, np.uint8)
        given: dict[str, Any] = {**{name: Bits(bits) for name, bits in self.constants.items()}, **inputs}
        for name, values in given.items():
            tensor = self.tensors[name]
            bits = np.ascontiguousarray(to_bits(values, tensor.format, f"input {name}"))
            if bits.shape != tensor.shape:
                raise ProgramError(f"input {name} must have shape {list(tensor.shape)}, not {list(bits.shape)}")
            memory[tensor.address : tensor.address + tensor.bytes] = bits.reshape(-1).view(np.uint8)
        return memory

    def tensor_bits(self, memory: NDArray[np.uint8], name: str) -> NDArray[np.unsignedinteger]:
        """Element bits of a tensor in a memory image."""
        tensor = self.tensors[name]
        data = np.ascontiguousarray(memory[tensor.address : tensor.address + tensor.bytes])
        return data.view(f"<u{tensor.format.bytes}").reshape(tensor.shape)

    def output_bits(self, memory: NDArray[np.uint8]) -> dict[str, NDArray[np.unsignedinteger]]:
        """Element bits of all outputs in a memory image, by name, each in the shape that the kernel returned."""
        out = {}
        for view in self.outputs:
            tensor, form = self.tensors[view.tensor], FORMATS[view.dtype]
            data = np.ascontiguousarray(memory[tensor.address : tensor.address + tensor.bytes])
            elements = data.view(bits_type(form))[view.start // form.bytes :]
            out[view.name] = as_strided(elements, view.shape, view.steps).copy()
        return out

    def read(self, memory: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Values of all outputs in a memory image, by name."""
        forms = {view.name: FORMATS[view.dtype] for view in self.outputs}
        return {name: from_bits(bits, forms[name]) for name, bits in self.output_bits(memory).items()}


def _stream_addresses(sizes: Mapping[Queue, int]) -> dict[Queue, int]:
    out, at = {}, BASE
    for queue in QUEUES:
        if queue in sizes:
            out[queue] = at
            at += sizes[queue]
    return out


def place_memory(
    config: CoreConfig, tensors: Sequence[tuple[str, tuple[int, ...], Format]], *, instructions: int
) -> dict[str, MemoryTensor]:
    """Addresses of tensors behind room for `instructions`. Errors: more than the bus can address."""
    unit = max(config.dma.burst_bytes, INSTRUCTION_BYTES)
    at = BASE + instructions * INSTRUCTION_BYTES
    out = {}
    for name, shape, dtype in tensors:
        at = -(-at // unit) * unit
        out[name] = MemoryTensor(name, shape, dtype.name, at)
        at += out[name].bytes
    if at + 2 * PAGE > 1 << config.bus.address_bits:
        raise ProgramError(f"the program needs {at} bytes of memory, the bus addresses {1 << config.bus.address_bits}")
    return out


def assemble(queues: Mapping[Queue, Sequence[Instruction]]) -> dict[Queue, bytes]:
    """Encoded streams."""
    return {queue: b"".join(encode(i) for i in stream) for queue, stream in queues.items()}
