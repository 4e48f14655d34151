"""One process at a time for one folder that several may want to build."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone", "work_folder"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is between here and the end for `folder`, which need not exist.

    The lock is a hidden file beside the folder. It stays, because another process may wait for it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file gives it back
        yield


@contextmanager
def work_folder(final: Path) -> Iterator[Path]:
    """A hidden folder beside `final` to build it in, gone afterwards; use it under `alone(final)`.

    What a killed process left of the same build is removed first: under the lock nobody else is at it.
    """
    for left in final.parent.glob(f".{final.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
