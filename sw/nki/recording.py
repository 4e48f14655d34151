"""What a kernel call leaves behind: tensors and operations in program order; and the recording that is active now."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.formats import Format
from makalu.hw.spec.isa import Opcode

from .arguments import checked_dtype, checked_shape
from .tensor import Buffer, KernelError, Storage, Tensor

__all__ = ["Operation", "Recording", "Site", "TensorSpec", "current", "trace"]

_LANGUAGE = str(Path(__file__).parent)


@dataclass(frozen=True)
class TensorSpec:
    """Shape and element type of a kernel's argument in memory."""

    shape: tuple[int, ...]
    dtype: Format

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checked_shape("TensorSpec", self.shape))
        checked_dtype("TensorSpec", self.dtype)


@dataclass(frozen=True)
class Site:
    """The line of a kernel (or of a function that it calls) that called the language."""

    file: str
    line: int

    @classmethod
    def here(cls) -> "Site":
        frame = sys._getframe(1)
        while frame.f_back is not None and frame.f_code.co_filename.startswith(_LANGUAGE):
            frame = frame.f_back
        return cls(frame.f_code.co_filename, frame.f_lineno)

    def __str__(self) -> str:
        path = Path(self.file)
        return f"{path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call of `nisa`: an opcode, its tensors by operand slot (`memory` for the other side of a DMA), its fields."""

    opcode: Opcode
    tensors: dict[str, Tensor]
    fields: dict[str, int]
    site: Site

    def __str__(self) -> str:
        operands = ", ".join(f"{slot} {tensor}" for slot, tensor in self.tensors.items())
        return f"{self.opcode.name.lower()} of {operands}, {self.site}"


@dataclass(kw_only=True)
class Recording:
    config: CoreConfig
    storages: list[Storage] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    inputs: list[Storage] = field(default_factory=list)
    outputs: list[Storage] = field(default_factory=list)

    def allocate(self, shape: tuple[int, ...], dtype: Format, buffer: Buffer, name: str) -> Tensor:
        """A new storage; the name is made unique."""
        used = {s.name for s in self.storages}
        unique, i = name, 1
        while unique in used:
            unique, i = f"{name}_{i}", i + 1
        storage = Storage(unique, shape, dtype, buffer)
        self.storages.append(storage)
        return Tensor.whole(storage)


_current: ContextVar[Recording] = ContextVar("recording")


def current() -> Recording:
    """The active recording; an error outside of a kernel."""
    try:
        return _current.get()
    except LookupError:
        raise KernelError("nl and nisa are used inside a traced kernel only") from None


@contextmanager
def _active(recording: Recording) -> Iterator[None]:
    token = _current.set(recording)
    try:
        yield
    finally:
        _current.reset(token)


def trace(kernel: Callable[..., Any], config: CoreConfig, **arguments: Any) -> Recording:
    """Run `kernel` once and record it. `TensorSpec` arguments become inputs in memory, others are passed as they are.

    The kernel returns its output tensor or a tuple of them (`nl.shared_hbm`).
    """
    recording = Recording(config=config)
    with _active(recording):
        bound = {}
        for name, value in arguments.items():
            if isinstance(value, TensorSpec):
                tensor = recording.allocate(value.shape, value.dtype, Buffer.HBM, name)
                recording.inputs.append(tensor.storage)
                bound[name] = tensor
            else:
                bound[name] = value
        returned = kernel(**bound)
    outputs = returned if isinstance(returned, tuple) else (returned,)
    for output in outputs:
        if not isinstance(output, Tensor) or output.buffer is not Buffer.SHARED_HBM:
            raise KernelError(f"a kernel returns tensors in shared_hbm, not {output}")
        recording.outputs.append(output.storage)
    return recording
