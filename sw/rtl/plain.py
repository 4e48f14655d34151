"""Paths that make, shells and Verilator's scripts take apart, and what stands in for them.

make knows no file with a space in its name, and Verilator's script gives its own path to a shell. So what they are told
of, and where they work, has letters, digits and a few signs only: the path itself where it is like that, else a link or
a copy in a folder of this user below the one for temporary files.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from makalu.spec.errors import MakaluError

__all__ = ["PlainPathError", "is_plain", "plain", "plain_copy", "plain_place", "plain_work"]

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_DIGITS = 16
"""Of the name of a link or copy: it follows from the path, so that compilers are told the same each time and ccache
finds what they made."""
_PLACES = (Path("/tmp"), Path("/var/tmp"))
"""Where the folder for temporary files is not plain itself."""


class PlainPathError(MakaluError, RuntimeError):
    """There is no folder with a plain path to work in; the message says which paths were looked at."""


def is_plain(path: Path) -> bool:
    """No tool takes it apart."""
    return _PLAIN.fullmatch(str(path)) is not None


def plain(path: Path) -> Path:
    """`path`, or where it is not plain, the same file through a link to its folder. Errors: `PlainPathError`."""
    return path if is_plain(path) else _linked(path.parent) / path.name


def plain_copy(folder: Path, version: str) -> Path:
    """`folder`, or where its path is not plain, a copy of it, made once for a version of what is in it.

    For a tool that asks where it really lies: Verilator, when it calls itself. Errors: `PlainPathError`.
    """
    if is_plain(folder):
        return folder
    copy = _own_folder() / _name(os.fsencode(folder) + version.encode())
    if not copy.is_dir():
        new = copy.with_name(f".{os.getpid()}-{os.urandom(4).hex()}")
        shutil.copytree(folder, new)
        with suppress(OSError):  # another process was faster
            new.rename(copy)
        shutil.rmtree(new, ignore_errors=True)
    return copy


@contextmanager
def plain_work(folder: Path) -> Iterator[Path]:
    """`folder` to work in, or where its path is not plain, a temporary one; what is left in it then goes to `folder`.

    Errors: `PlainPathError`.
    """
    if is_plain(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="makalu-", dir=plain_place()) as name:
        work = Path(name)
        yield work
        for path in work.iterdir():
            shutil.move(path, folder)


def plain_place() -> Path:
    """The first folder for temporary files with a plain path. Errors: `PlainPathError`."""
    places = (Path(tempfile.gettempdir()).absolute(), *_PLACES)
    for place in places:
        if is_plain(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    seen = ", ".join(str(place) for place in dict.fromkeys(places))
    raise PlainPathError(
        f"Verilator and make need a folder whose path has letters, digits and ._/+- only, and that can be written to: "
        f"none of {seen} is; set TMPDIR"
    )


def _own_folder() -> Path:
    """For links and copies: what others could put there would be run."""
    folder = plain_place() / f"makalu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PlainPathError(f"{folder} must be a folder that only this user can write to; set TMPDIR")
    return folder


def _name(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def _linked(folder: Path) -> Path:
    """A link to `folder` with a plain path."""
    link = _own_folder() / _name(os.fsencode(folder))
    if not link.is_symlink():
        new = link.with_name(f".{os.getpid()}-{os.urandom(4).hex()}")
        new.symlink_to(folder, target_is_directory=True)
        new.replace(link)  # another process may make the same one
    return link
