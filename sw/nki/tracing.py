"""Running a kernel once to record it: arguments in, operations and outputs out."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.formats import Format

from .arguments import checked_shape
from .dtypes import checked_dtype
from .errors import KernelError, LanguageError, shown
from .nested import mapped, rebuilt
from .nki_object import NKIObject
from .recording import Recording, active
from .site import sites_of_traceback
from .storage import Buffer
from .tensor import Tensor

__all__ = ["Output", "TensorSpec", "Traced", "trace"]


@dataclass(frozen=True)
class TensorSpec:
    """Shape and element type of a kernel's argument in memory."""

    shape: tuple[int, ...]
    dtype: Format
    name: str = ""
    """Of the input, where no other has it; else what leads to it in the arguments."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checked_shape("TensorSpec", self.shape))
        object.__setattr__(self, "dtype", checked_dtype("TensorSpec", self.dtype))


@dataclass(frozen=True)
class Output:
    """A returned tensor: the view, under a name that no other output has."""

    name: str
    tensor: Tensor


@dataclass(frozen=True)
class Traced:
    """A recording, what the kernel returned, and the inputs that it wrote.

    `returned` has the shape of the kernel's value, with `Output`s where it had tensors.
    """

    recording: Recording
    outputs: tuple[Output, ...]
    returned: Any
    changed: tuple[Output, ...]
    """Inputs that operations write, under their names."""


def trace(kernel: Callable[..., Any], config: CoreConfig, /, *args: Any, **kwargs: Any) -> Traced:
    """Run `kernel` once and record it. `TensorSpec`s become inputs in memory, also inside tuples, dicts, dataclasses.

    Errors: those of the language, with the kernel's lines; an output that is no tensor of `nl.shared_hbm` or an input.
    Whatever else the kernel raises keeps its traceback.
    """
    with active(config) as recording:
        bound = _bound(kernel, args, kwargs)
        for name, value in bound.arguments.items():
            kind = bound.signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {key: _given(recording, key, each) for key, each in value.items()}
            else:
                bound.arguments[name] = _given(recording, name, value)
        try:
            value = kernel(*bound.args, **bound.kwargs)
        except LanguageError as error:
            error.sites = error.sites or sites_of_traceback(error.__traceback__)
            raise
        except SystemExit as error:
            ended = KernelError(f"the kernel ends Python: SystemExit({error.code})")
            ended.sites = sites_of_traceback(error.__traceback__)
            raise ended from error
    written = {t.storage for op in recording.operations() if (t := op.tensors.get("dst")) is not None}
    changed = tuple(Output(s.name, Tensor.whole(s)) for s in recording.inputs if s in written)
    outputs: list[Output] = []
    returned = _taken(recording, value, outputs, "", ())
    if not outputs and not changed:
        raise KernelError("the kernel returns no tensor and writes none of its arguments: nothing would come out")
    return Traced(recording, tuple(outputs), returned, changed)


def _bound(kernel: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
    name = getattr(kernel, "__name__", "kernel")
    signature = inspect.signature(kernel)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    signature = signature.replace(parameters=bare, return_annotation=inspect.Signature.empty)
    anything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in signature.parameters.values())
    for key in kwargs:
        if key not in signature.parameters and not anything:
            raise KernelError(f"{name} has no argument {key!r}; it is {name}{signature}")
    try:
        bound = signature.bind(*args, **kwargs)
    except TypeError as error:
        raise KernelError(f"{name}{signature} was called wrongly: {error}") from None
    bound.apply_defaults()
    return bound


def _given(recording: Recording, name: str, value: Any) -> Any:
    """A value with inputs in place of `TensorSpec`s."""

    def leaf(part: Any, place: str) -> Any:
        return recording.input(part.shape, part.dtype, part.name or place) if isinstance(part, TensorSpec) else part

    return mapped(value, name, leaf)


def _taken(recording: Recording, value: Any, outputs: list[Output], key: str, around: tuple[int, ...]) -> Any:
    """The returned value with `Output`s in place of tensors, which are collected; no name is that of another result."""
    if isinstance(value, Tensor):
        recording.check_own("output", value)
        if value.buffer is not Buffer.SHARED_HBM and not value.storage.initial:
            raise KernelError(f"a kernel returns tensors in nl.shared_hbm or arguments, not {value}")
        for output in outputs:
            if output.tensor is value:
                return output
        # an input keeps its name for what the run makes of it; the whole of it is the same
        taken = {output.name for output in outputs}
        taken |= {s.name for s in recording.inputs if s is not value.storage or not value.is_whole()}
        name, number = key or value.name, 1
        while name in taken:
            name, number = f"{key or value.name}_{number}", number + 1
        outputs.append(Output(name, value))
        return outputs[-1]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if id(value) in around:
        raise KernelError(f"what a kernel returns, a {type(value).__name__}, holds itself")

    def inside(item: Any, name: str) -> Any:
        return _taken(recording, item, outputs, name, (*around, id(value)))

    if isinstance(value, tuple | list):
        return rebuilt(value, [inside(each, key) for each in value])
    if isinstance(value, dict):
        return {name: inside(each, str(name)) for name, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: inside(getattr(value, f.name), f.name) for f in fields(value)}
    if isinstance(value, NKIObject):
        return {name: inside(each, name) for name, each in vars(value).items()}
    raise KernelError(f"a kernel returns tensors, in tuples, lists or dicts, not {shown(value)}")
