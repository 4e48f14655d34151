"""Arguments of a kernel as a command line gives them: NAME=VALUE."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.errors import MakaluError
from makalu.spec.formats import Format, FormatKind
from makalu.sw.elements import from_bits, random_bits, to_bits
from makalu.sw.nki.dtypes import checked_dtype
from makalu.sw.nki.errors import LanguageError

from .arrays import output_type

__all__ = ["FORMS", "ArgumentError", "given_arguments"]

FORMS = (
    "NAME=128x512:bf16 (random normal numbers), NAME=FILE.npy or FILE.npy:bf16, "
    "NAME=a Python number, quoted string, tuple, True, False or None"
)
"""What an argument may look like."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_SHAPE = re.compile(r"(\d{1,18}(?:x\d{1,18}){0,31}):(\w+)")
_FILE = re.compile(r"(.+\.npy)(?::(\w+))?")


class ArgumentError(MakaluError, ValueError):
    """An argument does not parse, or its file cannot be read."""


def given_arguments(texts: Sequence[str], seed: int) -> dict[str, Any]:
    """Values by name; arrays have the element type that was given. Errors: `ArgumentError`, types that are not built.

    Random arrays of one seed are the same whatever other arguments there are: each is drawn from seed and name.
    """
    out: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ArgumentError(f"--arg {text!r} is none of {FORMS}")
        if name in out:
            raise ArgumentError(f"--arg {name} is given twice")
        try:
            out[name] = _value(name, value, seed)
        except LanguageError as error:
            raise type(error)(f"--arg {text!r}: {error.text}") from None
    return out


def _value(name: str, text: str, seed: int) -> Any:
    shaped, filed = _SHAPE.fullmatch(text), _FILE.fullmatch(text)
    if shaped:
        form = checked_dtype(name, shaped[2])
        shape = tuple(int(size) for size in shaped[1].split("x"))
        if 0 in shape:
            raise ArgumentError(f"--arg {name}={text}: every size must be at least 1")
        random = np.random.default_rng([seed, *name.encode()])
        try:
            if form.elements > 1 or form.kind is FormatKind.SCALE:
                return random_bits(random, form, shape)
            return _typed(random.standard_normal(shape, np.float32), form, name)
        except (MemoryError, OverflowError, ValueError):  # numpy's, by how far it is beyond
            raise ArgumentError(f"--arg {name}={text}: this machine has not the memory for it") from None
    if filed:
        array = _loaded(name, filed[1])
        return array if filed[2] is None else _typed(array, checked_dtype(name, filed[2]), name)
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # a TypeError for {[1]: 2}
        raise ArgumentError(f"--arg {name}={text} is none of {FORMS}") from None


def _loaded(name: str, file: str) -> NDArray[Any]:
    try:
        with Path(file).open("rb") as raw:
            array = np.load(raw, allow_pickle=False)
    except OSError as error:
        raise ArgumentError(f"--arg {name}: {file} cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise ArgumentError(f"--arg {name}: this machine has not the memory for {file}") from error
    except Exception as error:  # of numpy, zipfile and zlib, each with kinds of its own for damaged bytes
        raise ArgumentError(f"--arg {name}: {file} is no .npy file") from error
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"--arg {name}: {file} is no .npy file")
    return np.asarray(array, np.float32) if array.dtype == np.float64 else array


def _typed(array: NDArray[Any], form: Format, name: str) -> NDArray[Any]:
    """Rounded to the element type once."""
    bits = to_bits(array, form, f"--arg {name}")
    return from_bits(bits, form).astype(output_type(form))
