"""Lines of a kernel: where a call of the language was made, through which helpers."""

import os
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType, TracebackType

__all__ = ["Site", "sites_of", "sites_of_traceback"]

_PROJECT = Path(__file__).resolve().parents[1]
"""The folder `sw`: its frames are not the user's."""


_LIBRARY = Path(os.__file__).resolve().parent


@dataclass(frozen=True)
class Site:
    """A line of a kernel, or of a function that it calls."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{_shown(self.file, os.getcwd())}:{self.line}"


@lru_cache(maxsize=4096)
def _shown(file: str, folder: str) -> str:
    """As a reader in `folder` would name it."""
    path = Path(file)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


@lru_cache(maxsize=4096)
def _foreign(file: str) -> bool:
    """Neither this project's front end (through whichever link it was imported) nor Python's own library."""
    path = Path(file).resolve()
    library = path.is_relative_to(_LIBRARY) and "site-packages" not in path.parts
    return not (file.startswith("<frozen") or library or path.is_relative_to(_PROJECT))


def sites_of(kernel_frame: FrameType | None) -> tuple[Site, ...]:
    """Lines of the running call inside the kernel, innermost first; `kernel_frame` is that of the kernel's caller."""
    out: list[Site] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not kernel_frame:
        if _foreign(frame.f_code.co_filename):
            out.append(Site(frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return tuple(out)


def sites_of_traceback(traceback: TracebackType | None) -> tuple[Site, ...]:
    """The user's lines of an exception's traceback, innermost first."""
    out: list[Site] = []
    while traceback is not None:
        if _foreign(traceback.tb_frame.f_code.co_filename):
            out.append(Site(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return tuple(reversed(out))
