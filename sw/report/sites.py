"""Lines of a kernel as a reader wants them: as much of the file's path as tells it from the others."""

from collections.abc import Iterable
from pathlib import PurePath

__all__ = ["short_sites"]


def short_sites(sites: Iterable[str]) -> dict[str, str]:
    """`file:line` by the whole `path:line`; files of one name keep as many folders as they need."""
    places = {site: site.rpartition(":") for site in sites if site}
    files = {PurePath(file) for file, _, _ in places.values()}
    names = {str(file): _shortest(file, files) for file in files}
    return {site: f"{names[str(PurePath(file))]}:{line}" for site, (file, _, line) in places.items()}


def _shortest(file: PurePath, files: set[PurePath]) -> str:
    for count in range(1, len(file.parts) + 1):
        tail = file.parts[-count:]
        if sum(other.parts[-count:] == tail for other in files) == 1:
            return str(PurePath(*tail))
    return str(file)
