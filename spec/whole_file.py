"""Files that are whole or not there, whatever happens while they are written: no room, an interrupt, a kill."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import MakaluError

__all__ = ["OutputError", "whole_file", "writable_folder", "write_whole"]


class OutputError(MakaluError, ValueError):
    """A file or folder cannot be written; the message names it and the reason."""


def writable_folder(path: Path) -> None:
    """Make `path` where it is not, and try it, before hours are spent on what goes there. Errors: `OutputError`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        rule = "output must go to a folder that can be written to"
        raise OutputError(f"{rule}, not {path}: {error.strerror or error}") from error


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A hidden file beside `path`, to write bytes to; at the end it takes the place of what is there.

    Left by an error, it is gone and `path` is what it was. Folders above `path` are made. Errors: `OutputError`.
    """
    new = path.parent / f".{os.getpid()}-{os.urandom(4).hex()}.new"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("xb") as file:
            yield file
        new.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # where the folder cannot even be looked at, nothing was made
            new.unlink(missing_ok=True)


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file at once; text in UTF-8, what no encoding has (of a file's name that is no text) as an escape."""
    with whole_file(path) as file:
        file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
