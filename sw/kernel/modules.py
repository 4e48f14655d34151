"""The modules `nki`, `nki.language`, `nki.isa`, ... as a kernel file imports them; they exist inside a context only.

Names and behaviour of NKI 0.3 to 0.7. A real installation of NKI, if there is one, is out of sight meanwhile and comes
back. Modules of the driver code around a kernel (torch, jax and their Neuron parts) that are not installed are
stand-ins whose use says so. `neuronxcc` is refused: it is Beta 1, which AWS removed.
"""

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from makalu.sw.nki import isa, language
from makalu.sw.nki.errors import (
    KernelError,
    NoSuchModuleError,
    NotBuiltError,
    NotInNkiError,
    UnbuiltModuleError,
    shown,
)
from makalu.sw.nki.recording import is_active
from makalu.sw.nki.tensor import Tensor

__all__ = ["KernelObject", "kernel_modules"]

_DRIVERS = frozenset(
    ("torch", "torch_xla", "torch_neuronx", "jax", "jaxlib", "libneuronxla", "neuronx_distributed", "neuron_dtypes")
)
_BETA_1 = ("neuronxcc", "jax_neuronx")
_UNBUILT = ("collectives",)
_REMOVED = ("baremetal", "benchmark", "profile", "simulate_kernel", "trace", "compiler")


class KernelObject:
    """What `@nki.jit` makes of a function: called inside a kernel it is the function, outside of one it simulates."""

    def __init__(self, function: Callable[..., Any], simulate: Callable[..., Any]) -> None:
        if not callable(function):
            raise KernelError(f"a kernel is a function, not {shown(function)}")
        self.function, self._simulate = function, simulate
        self.__name__ = getattr(function, "__name__", "kernel")
        self.__doc__ = function.__doc__
        self.__wrapped__ = function
        self.__module__ = getattr(function, "__module__", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if is_active():
            return self.function(*args, **kwargs)
        return self._simulate(self, *args, **kwargs)

    def __getitem__(self, grid: Any) -> "KernelObject":
        if isinstance(grid, int | tuple) and grid in (1, (1,)):
            return self
        if not isinstance(grid, int | tuple):
            raise KernelError(f"{self.__name__}[grid]: a grid is a number of cores, not {shown(grid)}")
        if isinstance(grid, tuple):
            raise NotInNkiError(f"{self.__name__}[{grid}]: a grid of several dimensions; AWS removed it with Beta 1")
        raise NotBuiltError(f"{self.__name__}[{grid!r}]: {grid} cores on one kernel")


class _Missing(ModuleType):
    """A driver's module that is not installed: names exist, using one says what is missing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _MissingName(f"{self.__name__}.{name}")


class _MissingName:
    """A name of it; may be a decorator's argument, a base of a comparison, a default, but not be called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _MissingName(f"{self._name}.{name}")

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        raise ModuleNotFoundError(f"{self._name} is called, but {self._name.split('.')[0]} is not installed")


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is not installed of the drivers, and refuses Beta 1."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root = fullname.split(".")[0]
        if root in _BETA_1:
            raise NoSuchModuleError(f"import {fullname}; it is Beta 1, which AWS removed: the current module is nki")
        if fullname.startswith("nki."):
            part = fullname.split(".")[1]
            if part in _UNBUILT:
                raise UnbuiltModuleError(f"import {fullname}")
            raise NoSuchModuleError(f"import {fullname}")
        if root not in _DRIVERS or (not isinstance(sys.modules.get(root), _Missing) and _installed(root)):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Missing(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        del module


def _installed(root: str) -> bool:
    return root in sys.modules or importlib.machinery.PathFinder.find_spec(root, None) is not None


@contextmanager
def kernel_modules(simulate: Callable[..., Any], roots: Sequence[Path] = ()) -> Iterator[None]:
    """`nki` and what belongs to it can be imported; `simulate(kernel, *args)` runs a kernel that the file calls itself.

    What is imported from `roots` meanwhile is forgotten at the end, and the environment is what it was: two kernel
    files cannot see each other.
    """
    before, environment, path = dict(sys.modules), dict(os.environ), list(sys.path)
    for name in [name for name in sys.modules if name.split(".")[0] == "nki"]:
        del sys.modules[name]
    nki = _module("nki", jit=_jit(simulate), simulate=lambda kernel: _simulator(kernel, simulate), __getattr__=_of_nki)
    parts = {
        "language": language,
        "isa": isa,
        "typing": _module("nki.typing", __getattr__=_typing),
    }
    for name, module in parts.items():
        setattr(nki, name, module)
        sys.modules[f"nki.{name}"] = module
    isa_constants = _module("nki.isa.constants", __getattr__=lambda name: getattr(isa, name))
    sys.modules |= {"nki": nki, "nki.isa.constants": isa_constants}
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name, module in list(sys.modules.items()):
            ours = name.split(".")[0] == "nki" or isinstance(module, _Missing) or _lies_in(module, roots)
            if ours and before.get(name) is not module:
                del sys.modules[name]
        sys.modules.update({name: module for name, module in before.items() if name not in sys.modules})
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path


def _lies_in(module: ModuleType, roots: Sequence[Path]) -> bool:
    file = getattr(module, "__file__", None)
    if file is None or "site-packages" in file:  # an environment inside of the kernel's folder
        return False
    return any(Path(file).resolve().is_relative_to(root) for root in roots)


def _module(name: str, /, **members: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    module.__path__ = []
    return module


def _jit(simulate: Callable[..., Any]) -> Callable[..., Any]:
    def jit(function: Callable[..., Any] | None = None, **_: Any) -> Any:
        """Options say how AWS compiles; there is nothing to choose here."""
        if function is None:
            return lambda inner: KernelObject(inner, simulate)
        return function if isinstance(function, KernelObject) else KernelObject(function, simulate)

    return jit


def _simulator(kernel: Any, simulate: Callable[..., Any]) -> Callable[..., Any]:
    wrapped = kernel if isinstance(kernel, KernelObject) else KernelObject(kernel, simulate)
    return lambda *args, **kwargs: simulate(wrapped, *args, **kwargs)


def _of_nki(name: str) -> NoReturn:
    """Names of the module itself that it does not have."""
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _UNBUILT:
        raise NotBuiltError(f"nki.{name}")
    removed = "; it is of Beta 1, which AWS removed" if name in _REMOVED else ""
    raise NotInNkiError(f"nki.{name}{removed}")


def _typing(name: str) -> Any:
    """Types for annotations only: any name stands for a tensor."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Tensor
