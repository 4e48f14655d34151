"""Figures: what a command measured, as JSON that a table, a check or a later run can read.

`build/results/<command>.json`: `{"command", "preset", "digest", "date", "versions", "figures": [...]}`; every
figure has name, value and unit and, where something was promised, its bar, the kind of promise and whether it is met.
The versions are those of the tools and the commit. A command that measures in parts has `"parts": {name: {"date",
"versions", "preset"}}` too, because a part that was not measured again keeps its figures: their names start with the
part's.
"""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.errors import MakaluError
from makalu.spec.versions import versions
from makalu.spec.whole_file import write_whole
from makalu.sw.commit import commit
from makalu.sw.paths import BUILD

__all__ = [
    "RESULTS",
    "Figure",
    "ResultsError",
    "at_least",
    "at_most",
    "failed",
    "is_current",
    "read_parts",
    "read_record",
    "read_results",
    "this_run",
    "write_results",
]

RESULTS: Path = BUILD / "results"
_KINDS = (None, "must", "goal")


class ResultsError(MakaluError, RuntimeError):
    """A file of figures cannot be read, or is none."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured number or word. `kind` "must": a miss is a failure; "goal": a miss is reported."""

    name: str
    value: float | int | str
    unit: str
    bar: float | int | str | None = None
    kind: str | None = None
    met: bool | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"Figure kind must be one of {_KINDS}, not {self.kind!r} ({self.name})")
        if (self.kind is None) != (self.met is None):
            raise ValueError(f"Figure {self.name} must have kind and met, or neither: {self.kind!r}, {self.met!r}")


def at_least(name: str, value: float | int, unit: str, *, bar: float | int, kind: str) -> Figure:
    """A figure that is met from `bar` upwards."""
    return Figure(name=name, value=value, unit=unit, bar=bar, kind=kind, met=value >= bar)


def at_most(name: str, value: float | int, unit: str, *, bar: float | int, kind: str) -> Figure:
    """A figure that is met from `bar` downwards."""
    return Figure(name=name, value=value, unit=unit, bar=bar, kind=kind, met=value <= bar)


def failed(figures: Sequence[Figure]) -> list[Figure]:
    """The musts that are not met."""
    return [figure for figure in figures if figure.kind == "must" and not figure.met]


def write_results(
    command: str,
    config: CoreConfig | Sequence[CoreConfig],
    figures: Sequence[Figure],
    *,
    folder: Path = RESULTS,
    part: str | None = None,
    part_presets: Sequence[str] = (),
    earlier: Mapping[str, Any] | None = None,
) -> Path:
    """Write the figures of one command on one preset or several; a reader never sees half a file.

    `part`: what was measured now, on `part_presets` if not on all; `earlier`: `read_parts` of the others.
    """
    configs = [config] if isinstance(config, CoreConfig) else list(config)
    names = [figure.name for figure in figures]
    if len(set(names)) != len(names):
        raise ValueError(f"figures of {command} must have distinct names, not {names}")
    when = this_run()
    record = {"command": command, **_identity(configs), **when}
    if part is not None:
        mine = {**when, "preset": ", ".join(part_presets)} if part_presets else when
        record["parts"] = {**(earlier or {}), part: mine}
    record["figures"] = [asdict(figure) for figure in figures]
    path = folder / f"{command}.json"
    write_whole(path, json.dumps(record, indent=2) + "\n")
    return path


def this_run() -> dict[str, Any]:
    """Date, and the versions of tools, machine and commit: what stands beside figures that are measured now."""
    machine = {"machine": platform.machine(), "cores": str(os.cpu_count()), "commit": commit()}
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "versions": {**versions(), **machine}}


def _identity(configs: Sequence[CoreConfig]) -> dict[str, Any]:
    return {
        "preset": ", ".join(each.name for each in configs),
        "digest": ", ".join(each.digest for each in configs),
    }


def is_current(path: Path, configs: Sequence[CoreConfig]) -> bool:
    """The file is there and was written for these presets, with these values. Errors: `ResultsError`."""
    return path.is_file() and _identity(configs).items() <= read_record(path).items()


def read_record(path: Path) -> dict[str, Any]:
    """A file of figures as it is. Errors: `ResultsError` for what `write_results` did not write."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record["command"], str) or not all(isinstance(f["name"], str) for f in record["figures"]):
            raise TypeError("a name is no text")
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ResultsError(f"{path} is no file of figures; delete it to measure anew") from error
    return dict(record)


def read_results(path: Path) -> list[Figure]:
    """The figures of a file that `write_results` wrote."""
    return [Figure(**figure) for figure in read_record(path)["figures"]]


def read_parts(path: Path) -> dict[str, Any]:
    """When and with what each part of such a file was measured."""
    return dict(read_record(path).get("parts", {}))
