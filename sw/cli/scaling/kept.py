"""Rows that earlier calls measured: a long run goes on where it stopped, while the commit is the same."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from makalu.spec.whole_file import write_whole
from makalu.sw.cli.scaling.runs import Run

__all__ = ["keep", "kept"]

_DIRTY = ("-dirty", "none")
"""Ends of commits that name no state of the sources."""


def kept(path: Path, commit: str) -> list[Run]:
    """Those of this commit; none if the sources have changes that are in no commit, or the file is something else."""
    if commit.endswith(_DIRTY) or not path.is_file():
        return []
    try:
        record = json.loads(path.read_text())
        return [Run(**run) for run in record["runs"]] if record["commit"] == commit else []
    except (ValueError, KeyError, TypeError):
        return []


def keep(path: Path, commit: str, runs: Sequence[Run]) -> None:
    """All of them, at once."""
    write_whole(path, json.dumps({"commit": commit, "runs": [asdict(run) for run in runs]}, indent=1) + "\n")
