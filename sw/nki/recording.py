"""What a kernel call leaves behind: storages, and operations as a tree in program order; and the active recording."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format
from makalu.spec.isa import INSTRUCTIONS, Opcode, Queue

from .errors import KernelError, KernelWarning, NotBuiltError, places
from .site import Site, sites_of
from .storage import Buffer, Storage
from .tensor import Tensor

__all__ = ["Block", "Operation", "Recording", "active", "core_config", "current", "is_active", "loading"]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One instruction before it is placed: an opcode, its tensors by role, numbers by name, and where it comes from."""

    opcode: Opcode
    tensors: Mapping[str, Tensor]
    """By role: `dst` is written, every other one is read."""
    numbers: Mapping[str, int]
    """Fields of the instruction that are no tensor's."""
    call: str
    """Of NKI: what the kernel wrote, "nisa.dma_copy"."""
    sites: tuple[Site, ...]
    """Lines of the kernel, innermost first."""

    @property
    def site(self) -> str:
        """The innermost line of the kernel."""
        return str(self.sites[0]) if self.sites else ""

    def __str__(self) -> str:
        operands = ", ".join(f"{role} {tensor}" for role, tensor in self.tensors.items())
        return f"{self.opcode.name.lower()} of {operands}{places(self.sites)}"


@dataclass(eq=False)
class Block:
    """A node of the tree: operations and blocks in program order. Today every block runs once, where it stands."""

    name: str
    items: list["Operation | Block"] = field(default_factory=list)

    def operations(self) -> Iterator[Operation]:
        """All of them, in program order."""
        for item in self.items:
            if isinstance(item, Block):
                yield from item.operations()
            else:
                yield item


@dataclass(frozen=True)
class Place:
    """Between two operations, for others that are recorded later."""

    block: Block
    call: tuple[str, tuple[Site, ...]] | None
    count: int
    """Operations before it."""


class _Calling:
    """Written out because every call of the language enters one, and a frame of contextlib is no line of a kernel."""

    __slots__ = ("_calls", "_frame", "_name", "_outermost")

    def __init__(self, calls: list[tuple[str, tuple[Site, ...]]], name: str, frame: FrameType | None) -> None:
        self._calls, self._name, self._frame = calls, name, frame
        self._outermost = not calls

    def __enter__(self) -> None:
        if self._outermost:
            self._calls.append((self._name, sites_of(self._frame)))

    def __exit__(self, *_: object) -> None:
        if self._outermost:
            self._calls.pop()


class Recording:
    """Operations of one kernel call for one core.

    `append` adds an operation to the innermost open block; `enter` and `leave` open and close one.
    """

    def __init__(self, config: CoreConfig, *, frame: FrameType | None = None) -> None:
        self.config = config
        self.storages: list[Storage] = []
        self.inputs: list[Storage] = []
        self.constants: dict[Storage, NDArray[np.unsignedinteger]] = {}
        """Element bits of tensors that the program brings along."""
        self.warnings: list[str] = []
        self.body = Block("kernel")
        self.count = 0
        """Operations so far."""
        self.last_of_tensor: Opcode | None = None
        """The last operation of the Tensor engine."""
        self.together: Any = None
        """Small matmuls that the next one may run with (`concurrent`)."""
        self.kept: dict[Any, tuple[Tensor, int]] = {}
        """Tiles and constants that several operations share, by what makes them equal; from which operation on."""
        self._open = [self.body]
        self._calls: list[tuple[str, tuple[Site, ...]]] = []
        self._names: dict[str, int] = {}
        self._frame = frame
        self._now: int | None = None
        """Operations before the reserved place that is open."""
        self._own: set[Storage] = set()
        self._fixed: set[Storage] = set()

    def operations(self) -> Iterator[Operation]:
        """All of them, in program order."""
        return self.body.operations()

    def append(self, opcode: Opcode, tensors: Mapping[str, Tensor], numbers: Mapping[str, int]) -> None:
        """An operation of the call that is being recorded."""
        for role, tensor in tensors.items():
            self.check_own(role, tensor)
            if role == "dst" and tensor.storage in self._fixed:
                raise KernelError(f"{role} {tensor} is a constant that others share; copy it to change it")
        call, sites = self._calls[-1] if self._calls else (opcode.name.lower(), self.sites())
        if Queue.TENSOR in INSTRUCTIONS[opcode].queues:
            self.last_of_tensor = opcode
        self._open[-1].items.append(Operation(opcode=opcode, tensors=tensors, numbers=numbers, call=call, sites=sites))
        self.count += 1

    @property
    def block(self) -> Block:
        """The innermost open one."""
        return self._open[-1]

    def take_back(self, count: int) -> None:
        """The last operations of the innermost block, which others take the place of."""
        del self.block.items[len(self.block.items) - count :]
        self.count -= count

    def check_own(self, role: str, tensor: Tensor) -> None:
        """Errors: a tensor that another call of a kernel made."""
        if tensor.storage not in self._own:
            raise KernelError(f"{role} {tensor} belongs to another call of a kernel, not to the running one")

    def fix(self, tensor: Tensor) -> None:
        """Nothing may write it from now on."""
        self._fixed.add(tensor.storage)

    def reserve(self, name: str) -> Place:
        """A place here for operations that may turn out to be needed later."""
        block = self.enter(name)
        self.leave()
        return Place(block, self._calls[-1] if self._calls else None, self.count)

    @contextmanager
    def resumed(self, place: Place) -> Iterator[None]:
        """Operations inside go to a reserved place, before all that was recorded since."""
        self._open.append(place.block)
        self._now = place.count
        calls = self._calls[:]
        self._calls[:] = [place.call] if place.call is not None else []
        try:
            yield
        finally:
            self._open.pop()
            self._now = None
            self._calls[:] = calls

    def enter(self, name: str) -> Block:
        """A new innermost block."""
        block = Block(name)
        self._open[-1].items.append(block)
        self._open.append(block)
        return block

    def leave(self) -> None:
        """The innermost block is complete."""
        self._open.pop()

    def calling(self, name: str) -> "_Calling":
        """A context: operations inside belong to this call of the language; inner calls are part of the outermost."""
        return _Calling(self._calls, name, self._frame)

    def sites(self) -> tuple[Site, ...]:
        """The kernel's lines that are running now."""
        return sites_of(self._frame)

    def warn(self, text: str) -> None:
        """A `KernelWarning` at the kernel's line; kept for the report."""
        sites = self._calls[-1][1] if self._calls else self.sites()
        message = f"{text}{places(sites)}"
        self.warnings.append(message)
        if sites:  # Python shows that line, and not one of this project
            warnings.warn_explicit(message, KernelWarning, sites[0].file, sites[0].line)
        else:
            warnings.warn(message, KernelWarning, stacklevel=2)

    def allocate(
        self,
        shape: tuple[int, ...],
        dtype: Format,
        buffer: Buffer,
        name: str,
        *,
        address: tuple[int, int] | None = None,
        initial: bool = False,
    ) -> Tensor:
        """A new storage; the name is made unique. Errors: an element type that the core does not have."""
        if dtype not in self.config.storable:
            has = ", ".join(form.name for form in self.config.storable)
            raise NotBuiltError(f"{name}: elements of {dtype.name}; the core of preset {self.config.name} has {has}")
        unique = name
        while unique in self._names:
            unique = f"{name}_{self._names[name]}"
            self._names[name] += 1
        self._names[unique] = 1
        least = self.config.tensor.smallest_result if buffer is Buffer.PSUM else 0
        storage = Storage(unique, shape, dtype, buffer, address=address, initial=initial, least=least)
        self.storages.append(storage)
        self._own.add(storage)
        return Tensor.whole(storage)

    def input(self, shape: tuple[int, ...], dtype: Format, name: str) -> Tensor:
        """A tensor in memory whose values are given to the run."""
        tensor = self.allocate(shape, dtype, Buffer.HBM, name, initial=True)
        self.inputs.append(tensor.storage)
        return tensor

    def constant(self, bits: NDArray[np.unsignedinteger], dtype: Format, name: str) -> Tensor:
        """A tensor in memory whose element bits the program brings along."""
        tensor = self.allocate(bits.shape, dtype, Buffer.HBM, name, initial=True)
        self.constants[tensor.storage] = bits
        self.fix(tensor)
        return tensor

    def once(self, key: Any, make: Callable[[], Tensor]) -> Tensor:
        """What `make` returned when it was first asked for under this key; made anew for an earlier place."""
        now = self.count if self._now is None else self._now
        if key not in self.kept or self.kept[key][1] > now:
            self.kept[key] = make(), now
        return self.kept[key][0]


_current: ContextVar[Recording] = ContextVar("recording")


def current() -> Recording:
    """The active recording; an error outside of a kernel."""
    try:
        return _current.get()
    except LookupError:
        raise KernelError("nl and nisa compute inside a kernel only, while it is traced") from None


_loading: ContextVar[CoreConfig] = ContextVar("loading")


def core_config() -> CoreConfig:
    """The core of the active recording, or, while a kernel's file is read, the one that it will be traced for."""
    recording = _current.get(None)
    if recording is not None:
        return recording.config
    config = _loading.get(None)
    return current().config if config is None else config


@contextmanager
def loading(config: CoreConfig) -> Iterator[None]:
    """A kernel's file is read: it may ask for sizes of the core."""
    token = _loading.set(config)
    try:
        yield
    finally:
        _loading.reset(token)


def is_active() -> bool:
    """A kernel is being traced."""
    return _current.get(None) is not None


@contextmanager
def active(config: CoreConfig) -> Iterator[Recording]:
    """A new recording that calls of the language inside go to."""
    recording = Recording(config, frame=sys._getframe(2))
    token = _current.set(recording)
    try:
        yield recording
    finally:
        _current.reset(token)
