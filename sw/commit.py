"""Which commit a figure was measured on."""

import subprocess

from makalu.sw.paths import ROOT

__all__ = ["commit"]


def commit() -> str:
    """`git describe` of the checkout, with `-dirty` where a file is changed; "none" where there is no checkout."""
    if not (ROOT / ".git").exists():  # a folder above an installation may be somebody else's checkout
        return "none"
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):  # no git, or it does not trust the folder's owner
        return "none"
