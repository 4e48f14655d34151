"""Paths that make, shells and Verilator's scripts take apart, and what stands in for them.

make knows no file with a space in its name, and Verilator's script gives its own path to a shell. So what they are told
of, and where they work, has letters, digits and a few signs only: the path itself where it is like that, else a link to
it in a folder of this user below the one for temporary files.
"""

import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from makalu.spec.errors import MakaluError

__all__ = ["PlainPathError", "is_plain", "plain", "plain_place", "plain_work"]

_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_DIGITS = 16
"""Of a link's name: it follows from the path, so that compilers are told the same each time and ccache finds it."""


class PlainPathError(MakaluError, RuntimeError):
    """There is no folder with a plain path to work in; the message says which paths were looked at."""


def is_plain(path: Path) -> bool:
    """No tool takes it apart."""
    return _PLAIN.fullmatch(str(path)) is not None


def plain(path: Path) -> Path:
    """`path`, or where it is not plain, the same file through a link to its folder. Errors: `PlainPathError`."""
    return path if is_plain(path) else _linked(path.parent) / path.name


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
    places = (Path(tempfile.gettempdir()).absolute(), Path("/tmp"), Path("/var/tmp"))
    for place in places:
        if is_plain(place) and os.access(place, os.W_OK | os.X_OK):
            return place
    seen = ", ".join(str(place) for place in dict.fromkeys(places))
    raise PlainPathError(
        f"Verilator and make need a folder whose path has letters, digits and ._/+- only, and that can be written to: "
        f"none of {seen} is; set TMPDIR"
    )


def _linked(folder: Path) -> Path:
    """A link to `folder` with a plain path."""
    links = plain_place() / f"makalu-{os.getuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    state = links.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PlainPathError(f"{links} must be a folder that only this user can write to; set TMPDIR")
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:_DIGITS]
    if not link.is_symlink():
        new = links / f".{os.getpid()}-{os.urandom(4).hex()}"
        new.symlink_to(folder, target_is_directory=True)
        new.replace(link)  # another process may make the same one
    return link
