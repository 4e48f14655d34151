"""`simulate(kernel, preset=..., backend=...)(arrays)`: a kernel as a function of arrays."""

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.formats import FORMATS
from makalu.spec.preset import PRESETS, load_preset
from makalu.sw.compile.compiler import compile_trace
from makalu.sw.elements import Bits
from makalu.sw.nki.errors import KernelError, shown
from makalu.sw.nki.nested import mapped, rebuilt
from makalu.sw.nki.tracing import Output, TensorSpec, trace
from makalu.sw.rtl.program_run import run_program

from .arrays import input_bits, is_array, is_torch, like, output_array
from .execution import Backend, Execution, execute
from .file import loaded_kernel
from .modules import KernelObject

__all__ = ["PLATFORM", "Simulated", "TargetError", "arguments_of", "simulate", "target_preset"]

PLATFORM = "NEURON_PLATFORM_TARGET_OVERRIDE"
"""The variable that picks the generation, here as there."""
_TARGETS = {"inf2": "trn1", "gen2": "trn1", "gen3": "trn2", "gen4": "trn3"}
_DEFAULT = "trn3"
"""As `nki.simulate` without a chip."""


class TargetError(MakaluError, ValueError):
    """The variable names no generation."""


def target_preset(preset: str | CoreConfig | None) -> CoreConfig:
    """The configuration that was asked for: by name or file, else by the variable, else the third generation."""
    if isinstance(preset, CoreConfig):
        return preset
    if preset is None:
        wanted = os.environ.get(PLATFORM, _DEFAULT)
        preset = _TARGETS.get(wanted, wanted)
        if preset not in PRESETS:
            known = ", ".join(("trn1", "trn2", "trn3", *_TARGETS))
            raise TargetError(f"{PLATFORM} must be one of {known}, or a preset, not {wanted!r}")
    if not isinstance(preset, str):
        raise TargetError(f"preset must be a name, a file or a configuration, not {shown(preset)}")
    return load_preset(preset)


@dataclass(frozen=True)
class Simulated:
    """What a kernel returned, in its shape, and the run behind it; `value` is None on the timing back end."""

    value: Any
    execution: Execution


def arguments_of(value: Any, name: str, arrays: dict[str, Any]) -> Any:
    """A kernel's argument with `TensorSpec`s in place of arrays, which are collected by the name of their input."""

    def leaf(part: Any, place: str) -> Any:
        if not is_array(part):
            return part
        unique, number = place, 1
        while unique in arrays:  # `a_0` may be an argument and the first of the arrays in `a`
            unique, number = f"{place}_{number}", number + 1
        form, bits = input_bits(place, part)
        arrays[unique] = (part, bits)
        return TensorSpec(tuple(int(size) for size in bits.shape), form, unique)

    return mapped(value, name, leaf)


def simulate(
    kernel: Callable[..., Any] | str,
    *,
    preset: str | CoreConfig | None = None,
    backend: str = "golden",
    simulator: str | None = None,
    keep_addresses: bool = False,
    full: bool = False,
) -> Callable[..., Any]:
    """A function that runs `kernel` on arrays of numpy, ml_dtypes or torch and returns what the kernel returns.

    `kernel` is a function, or "FILE.py::function" of a file that imports `nki`, which exists only while it is run.
    Element types are the arrays' own; other arguments are passed as they are. Arrays that the kernel writes are
    changed in place. `backend`: "golden", "timing" (returns None: cycles only) or "rtl" (compared with golden bit for
    bit; a difference is an error). `full`: return a `Simulated` instead, with the run behind the values.

    Errors: those of the language, compiler and golden; `RuntimeError` where RTL and golden differ.
    """
    way = Backend(backend)
    if not callable(kernel) and not isinstance(kernel, str):
        raise KernelError(f"a kernel is a function or FILE.py::function, not {shown(kernel)}")

    def run(*args: Any, **kwargs: Any) -> Any:
        if isinstance(kernel, str):
            with loaded_kernel(kernel, lambda each, *a, **k: simulate(each, preset=preset)(*a, **k)) as loaded:
                return called(loaded, args, kwargs)
        return called(kernel.function if isinstance(kernel, KernelObject) else kernel, args, kwargs)

    def called(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        config = target_preset(preset)  # now: the file may have set the variable
        arrays: dict[str, Any] = {}
        names = _names(function, args)
        given = [arguments_of(value, name, arrays) for name, value in zip(names, args, strict=True)]
        named = {name: arguments_of(value, name, arrays) for name, value in kwargs.items()}
        traced = trace(function, config, *given, **named)
        program = compile_trace(traced, kernel=getattr(function, "__name__", ""), keep_addresses=keep_addresses)
        _refuse_read_only(program.changed, arrays)
        inputs = _inputs(program.inputs, arrays)
        done = execute(program, inputs, config, way, rtl=_rtl(simulator))
        if done.differing:
            raise RuntimeError(f"the RTL differs from golden in {done.differing} of {done.compared} bytes: a defect")
        torch_wanted = any(is_torch(value) for value, _ in arrays.values())
        value = None if way is Backend.TIMING else _returned(traced.returned, done, torch_wanted)
        _write_back(done, arrays)
        return Simulated(value, done) if full else value

    return run


def _rtl(simulator: str | None) -> Any:
    return lambda program, inputs, config, predicted: run_program(
        program, inputs, config, predicted, simulator=simulator
    )


def _names(function: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """Of positional arguments, as `trace` will call their tensors."""
    names: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}_{i}" for i in range(len(args) - len(names))]
    names += [f"argument_{i}" for i in range(len(names), len(args))]  # too many, which `trace` refuses
    return names[: len(args)]


def _inputs(names: tuple[str, ...], arrays: Mapping[str, Any]) -> dict[str, Bits]:
    return {name: arrays[name][1] for name in names}


def _returned(value: Any, done: Execution, torch_wanted: bool) -> Any:
    if isinstance(value, Output):
        form = FORMATS[value.tensor.dtype.name]
        return like(output_array(done.outputs[value.name], form), torch_wanted)
    if isinstance(value, tuple | list):
        return rebuilt(value, (_returned(each, done, torch_wanted) for each in value))
    if isinstance(value, dict):
        return {key: _returned(each, done, torch_wanted) for key, each in value.items()}
    return value


def _refuse_read_only(changed: Iterable[str], arrays: Mapping[str, Any]) -> None:
    for name in changed:
        array = arrays[name][0]
        if not is_torch(array) and not array.flags.writeable:
            raise KernelError(f"the kernel writes argument {name}, whose array is read-only; give a copy")


def _write_back(done: Execution, arrays: Mapping[str, Any]) -> None:
    """Arrays that the kernel wrote hold what it wrote."""
    for name, bits in done.changed.items():
        array = arrays[name][0]
        values = output_array(bits, FORMATS[done.program.tensors[name].dtype])
        if is_torch(array):
            array.copy_(like(values, True))
        else:
            array[...] = values.astype(array.dtype)
