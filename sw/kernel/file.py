"""A kernel by `FILE.py::function`: the file is read and run as a module, never changed."""

import contextlib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.sw.nki.errors import LanguageError
from makalu.sw.nki.recording import loading
from makalu.sw.nki.site import sites_of_traceback

from .modules import KernelObject, kernel_modules

__all__ = ["KernelFileError", "loaded_kernel", "parsed_target"]


class KernelFileError(MakaluError, ValueError):
    """There is no such file or function, or the file is no Python; what the file raises itself keeps its traceback."""


def parsed_target(target: str) -> tuple[Path, str]:
    """File and function of `FILE.py::function`. Errors: `KernelFileError`."""
    file, colons, name = target.rpartition("::")
    if not colons or not file or not name:
        raise KernelFileError(f"a kernel is FILE.py::function, not {target!r}")
    path = Path(file)
    try:
        file.encode()
        found = path.is_file()
    except UnicodeEncodeError:  # reports and timelines name it, and their formats have text only
        raise KernelFileError(f"the path of a kernel's file must be UTF-8, not {ascii(file)}") from None
    except OSError as error:  # a name that is too long, for one
        raise KernelFileError(f"{file} cannot be read: {error.strerror}") from error
    if not found:
        raise KernelFileError(f"{file} is no file")
    return path.resolve(), name


@contextmanager
def loaded_kernel(
    target: str, simulate: Callable[..., Any], config: CoreConfig | None = None
) -> Iterator[Callable[..., Any]]:
    """The function of `target` while the modules of NKI exist; `simulate(kernel, *args)` for kernels the file calls.

    `config` is the core that the file may ask about while it is read.
    """
    path, name = parsed_target(target)
    with kernel_modules(simulate, roots=[path.parent, _package_root(path)]):
        try:
            with contextlib.nullcontext() if config is None else loading(config):
                module = _imported(path)
        except LanguageError as error:
            error.sites = error.sites or sites_of_traceback(error.__traceback__)
            raise
        found = getattr(module, name, None)
        if found is None or not callable(found):
            kernels = [key for key, value in vars(module).items() if isinstance(value, KernelObject)]
            raise KernelFileError(f"{path.name} has no kernel {name!r}; it has {', '.join(kernels) or 'none'}")
        yield found.function if isinstance(found, KernelObject) else found


def _package_root(path: Path) -> Path:
    """The folder that a package around the file is imported from: the first one above without `__init__.py`."""
    folder = path.parent
    while (folder / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _check_text(path: Path) -> None:
    """Compile it once by itself: a ValueError for a zero byte or a RecursionError for thousands of brackets would look
    like one that the file raises when it is run."""
    try:
        text = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come when the file is imported
            compile(text, path, "exec", dont_inherit=True)
    except OSError as error:
        raise KernelFileError(f"{path} cannot be read: {error.strerror}") from error
    except SyntaxError as error:
        place = path if error.lineno is None else f"{path}:{error.lineno}"
        raise KernelFileError(f"{place} is no Python: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise KernelFileError(f"{path} is no Python: {error or 'nested too deeply'}") from error


def _imported(path: Path) -> ModuleType:
    """As part of its package where it has one, so that relative imports work; else by its path."""
    root = _package_root(path)
    sys.path[:0] = [str(root)] if root == path.parent else [str(root), str(path.parent)]
    _check_text(path)
    try:
        if root != path.parent:
            return importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
        spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
        if spec is None or spec.loader is None:
            raise KernelFileError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except SyntaxError as error:
        place = path if error.filename is None else f"{error.filename}:{error.lineno}"
        raise KernelFileError(f"{place} is no Python: {error.msg}") from error
    except SystemExit as error:
        raise KernelFileError(f"{path} ends Python while it is read: SystemExit({error.code})") from error
