"""Where this project keeps what it builds."""

import os
from pathlib import Path

__all__ = ["BUILD", "ROOT", "RTL_SOURCES"]

ROOT: Path = Path(__file__).resolve().parents[1]
"""The checkout; for a plain installation, the folder of the package."""

_HOME = ROOT if (ROOT / "pyproject.toml").is_file() else Path.cwd()
BUILD: Path = Path(os.environ.get("MAKALU_BUILD") or _HOME / "build").absolute()
"""Everything generated goes here: into `build` of the checkout, of an installed Makalu into `build` of the folder that
it is called in; `MAKALU_BUILD` moves it."""

RTL_SOURCES: Path = Path(__file__).resolve().parent / "rtl"
"""Hand-written Verilog and C++ of the harness."""
