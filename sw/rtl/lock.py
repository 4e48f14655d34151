"""One process at a time for one folder that several may want to build."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone"]


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until no other process is between here and the end for `folder`, which need not exist.

    The lock is a hidden file beside the folder. It stays, because another process may wait for it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file gives it back
        yield
