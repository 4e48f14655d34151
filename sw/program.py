"""A compiled program: an instruction stream a queue and named tensors in one memory image.

Layout from `BASE` upwards: the streams in the order of `Queue`, each on an instruction boundary, then the tensors, each
on a burst boundary, then a guard so that no burst of a fetch runs past the end.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.hw.spec.axi import PAGE_BYTES
from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.encoding import Instruction, encode
from makalu.hw.spec.errors import MakaluError
from makalu.hw.spec.formats import BF16, FORMATS, FP32, Format
from makalu.hw.spec.isa import INSTRUCTION_BYTES, QUEUES, Queue
from makalu.sim_models.golden.arithmetic import bf16_to_fp32, fp32_to_bf16

from .nki.recording import Operation

__all__ = ["BASE", "MemoryTensor", "Program", "ProgramError", "assemble", "from_bits", "place_memory", "to_bits"]

BASE = 0x1000
"""First byte of the image that a program uses."""
PAGE = PAGE_BYTES
"""The image's size is a multiple of this; bursts never cross it."""


class ProgramError(MakaluError, ValueError):
    """Inputs or a file do not fit the program."""


@dataclass(frozen=True)
class MemoryTensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    address: int

    @property
    def format(self) -> Format:
        return FORMATS[self.dtype]

    @property
    def bytes(self) -> int:
        return int(np.prod(self.shape)) * self.format.bytes


def to_bits(values: ArrayLike, dtype: Format) -> NDArray[np.unsignedinteger]:
    """Element bits: floats round to nearest even once; unsigned integers of the element's width are taken as bits."""
    array = np.asarray(values)
    wanted = np.uint32 if dtype == FP32 else np.uint16
    if array.dtype == wanted:
        return array
    bits = array.astype(np.float32).view(np.uint32)
    return bits if dtype == FP32 else np.asarray(fp32_to_bf16(bits)).astype(np.uint16)


def from_bits(bits: NDArray[np.unsignedinteger], dtype: Format) -> NDArray[np.float32]:
    """The values, exact, as float32."""
    wide = np.asarray(bf16_to_fp32(bits.astype(np.uint16))) if dtype == BF16 else bits
    return wide.astype(np.uint32).view(np.float32)


@dataclass(frozen=True, kw_only=True)
class Program:
    """Streams and tensors of one kernel for one configuration.

    Members: `streams` (encoded instructions a queue), `tensors` by name, `inputs` and `outputs` (names),
    `preset` and `digest` of the configuration, `bytes` (size of the image).
    """

    streams: dict[Queue, bytes]
    tensors: dict[str, MemoryTensor]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    preset: str
    digest: str
    origins: dict[Queue, tuple[Operation | None, ...]] = field(default_factory=dict, compare=False, repr=False)
    """The kernel's operation behind each instruction, for messages; not in a file."""

    def origin(self, queue: Queue, address: int) -> Operation | None:
        """The operation behind the instruction at `address`, where it is known."""
        number = (address - self.addresses.get(queue, address)) // INSTRUCTION_BYTES
        known = self.origins.get(queue, ())
        return known[number] if 0 <= number < len(known) else None

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

    def image(self, inputs: Mapping[str, ArrayLike]) -> NDArray[np.uint8]:
        """Memory before the run, byte 0 at address 0. Errors: missing, unknown or misshaped inputs."""
        if set(inputs) != set(self.inputs):
            raise ProgramError(f"inputs must be {sorted(self.inputs)}, not {sorted(inputs)}")
        memory = np.zeros(self.bytes, np.uint8)
        for queue, stream in self.streams.items():
            address = self.addresses[queue]
            memory[address : address + len(stream)] = np.frombuffer(stream, np.uint8)
        for name, values in inputs.items():
            tensor = self.tensors[name]
            if np.shape(values) != tensor.shape:
                raise ProgramError(f"input {name} must have shape {list(tensor.shape)}, not {list(np.shape(values))}")
            bits = np.ascontiguousarray(to_bits(values, tensor.format))
            memory[tensor.address : tensor.address + tensor.bytes] = bits.reshape(-1).view(np.uint8)
        return memory

    def tensor_bits(self, memory: NDArray[np.uint8], name: str) -> NDArray[np.unsignedinteger]:
        """Element bits of a tensor in a memory image."""
        tensor = self.tensors[name]
        data = np.ascontiguousarray(memory[tensor.address : tensor.address + tensor.bytes])
        return data.view(f"<u{tensor.format.bytes}").reshape(tensor.shape)

    def read(self, memory: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """Values of all outputs in a memory image."""
        return {name: from_bits(self.tensor_bits(memory, name), self.tensors[name].format) for name in self.outputs}

    def save(self, path: Path) -> None:
        """One `.npz`: a JSON header and the streams."""
        header = {
            "tensors": [asdict(t) for t in self.tensors.values()],
            "inputs": self.inputs,
            "outputs": self.outputs,
            "preset": self.preset,
            "digest": self.digest,
        }
        streams = {queue.name: np.frombuffer(stream, np.uint8) for queue, stream in self.streams.items()}
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, header=np.array(json.dumps(header)), **streams)

    @classmethod
    def load(cls, path: Path) -> "Program":
        """The inverse of `save`."""
        with np.load(path) as file:
            if "header" not in file:
                raise ProgramError(f"{path} is not a program")
            header = json.loads(str(file["header"]))
            streams = {queue: file[queue.name].tobytes() for queue in QUEUES if queue.name in file}
        rows = [MemoryTensor(**{**t, "shape": tuple(t["shape"])}) for t in header["tensors"]]
        return cls(
            streams=streams,
            tensors={t.name: t for t in rows},
            inputs=tuple(header["inputs"]),
            outputs=tuple(header["outputs"]),
            preset=header["preset"],
            digest=header["digest"],
        )


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
