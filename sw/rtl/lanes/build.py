"""From a core to a program: netlist, C++, compiler. Built once for the same sources and settings."""

import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from makalu.hw.lib.emit import Emission, collector_paused, deep_recursion, port_list
from makalu.spec.errors import MakaluError
from makalu.spec.versions import versions
from makalu.sw.paths import RTL_SOURCES
from makalu.sw.rtl.lanes.design import BOXES, Design
from makalu.sw.rtl.lanes.model import FORMS, Model
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.simulators import QUICK, environment
from makalu.sw.rtl.simulators import told as told_by

__all__ = ["MOST_CORES", "RECURSION", "LanesBuildError", "best_form", "build_lanes", "model_files", "most_cores"]

SOURCES: Path = RTL_SOURCES / "lanes"
_TEXTS = {path.name: path.read_text() for path in sorted(SOURCES.iterdir()) if path.suffix in (".py", ".h", ".cpp")}
"""Taken while the sources are imported: a file that is edited later is not what this process builds from."""
TOP = "core"
PROGRAM, SECONDS = "machine", "seconds"
MOST_CORES = 16
"""Cores that one program can run at once."""
_FLAGS = {"avx512": ("-march=x86-64-v4",), "avx2": ("-march=x86-64-v3",), "plain": ("-DPLAIN",)}
_NEEDS = {
    "avx512": {"avx512f", "avx512vl", "avx512dq", "avx512cd", "avx512bw"},
    "avx2": {"avx2", "bmi1", "bmi2", "fma", "abm", "movbe"},
    "plain": set(),
}
_OPTIONS = ("-std=c++20", "-Wno-psabi")
_LEVEL = {True: ("-O2", "-fschedule-insns", "-fsched-pressure", "-mtune=native"), False: (QUICK,)}
"""By whether the program is to be fast: what runs for seconds only is compiled in little more than half of the time."""
_HOST = "main.cpp"
_HEADERS = ("host.h", "memory.h", "lanes.h")
RECURSION = 100_000
"""Deepest calls: a wire is followed from instance to instance."""
_NETLIST, _MODEL = 0.35, 0.15
"""Shares of a build before its compilation, for the bar."""


class LanesBuildError(MakaluError, RuntimeError):
    """The C++ compiler is missing or refused the code, or the machine lacks the instructions that were asked for."""


@functools.cache
def _processor() -> frozenset[str]:
    info = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not info.is_file():
        return frozenset()
    flags = next((line for line in info.read_text().splitlines() if line.startswith("flags")), "")
    return frozenset(flags.split())


def best_form() -> str:
    """The widest form of the code that this machine's processor runs."""
    return next(form for form in FORMS if _NEEDS[form] <= _processor())


def most_cores(form: str | None) -> int:
    """Cores that one program can run at once in a form of the code."""
    return min(MOST_CORES, FORMS[form or best_form()])


def model_files(component: Any, *, form: str, cores: int = 1, host: bool = True) -> dict[str, str]:
    """The generated C++ of a component as the top, by file name; `cores` of it side by side.

    Several cores are one class of their own: nothing of them is a box. Errors: `NetlistError`.
    """
    modules = Emission(assertions=True).netlist(component, name=TOP, boxes=BOXES if cores == 1 else ())
    with deep_recursion(RECURSION), collector_paused():
        design = Design(modules, TOP, cores=cores)
        ports = {name: len(value) for name, value, _ in port_list(component)}
        return Model(design, form=form, ports=ports, host=host).files


def build_lanes(
    core: Callable[[], Any],
    *,
    identity: str,
    name: str,
    folder: Path,
    form: str | None,
    cores: int,
    memory_bytes: int,
    fast: bool = True,
    report: Callable[[float, float], None] | None = None,
) -> tuple[Path, bool, float]:
    """(folder, whether an earlier build was taken, seconds of compilation) of a program that simulates `cores` cores.

    `core` gives the component; `identity` is text that decides what it emits; `fast`: it is to run for long.
    """
    form = form or best_form()
    if form not in FORMS:
        raise LanesBuildError(f"the form of the code must be one of {list(FORMS)}, not {form!r}")
    if not _NEEDS[form] <= _processor():
        raise LanesBuildError(f"form {form} needs a processor with {sorted(_NEEDS[form] - _processor())}")
    if not 1 <= cores <= most_cores(form):
        raise LanesBuildError(f"form {form} runs 1 to {most_cores(form)} cores at once, not {cores}")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise LanesBuildError(f"the C++ compiler must be on PATH: {compiler} (set CXX)")
    options = [*_OPTIONS, *_LEVEL[fast], *_FLAGS[form], f"-DMEMORY_BYTES={memory_bytes}"]
    known = json.dumps([identity, _TEXTS, compiler, options, cores, versions()], sort_keys=True)
    final = folder / f"{name}-lanes-{hashlib.sha256(known.encode()).hexdigest()[:12]}"
    with alone(final):
        reused = (final / SECONDS).is_file()
        if not reused:
            _build(core, final, [compiler, *options], form=form, cores=cores, report=report)
    if report is not None:
        report(1, 1)
    return final, reused, float((final / SECONDS).read_text())


def _build(
    core: Callable[[], Any],
    final: Path,
    compiler: list[str],
    *,
    form: str,
    cores: int,
    report: Callable[[float, float], None] | None,
) -> None:
    told = report or (lambda done, total: None)
    with work_folder(final) as work:
        began = time.monotonic()
        told(0, 1)
        files = model_files(core(), form=form, cores=cores)
        told(_NETLIST + _MODEL, 1)
        for file, text in files.items():
            (work / file).write_text(text)
        for file in (_HOST, *_HEADERS):
            (work / file).write_text(_TEXTS[file])
        compile_all(work, [_HOST, *(file for file in files if file.endswith(".cpp"))], compiler, PROGRAM, told)
        for path in work.iterdir():
            if path.name != PROGRAM:
                path.unlink()
        (work / SECONDS).write_text(f"{time.monotonic() - began:.1f}\n")
        shutil.rmtree(final, ignore_errors=True)  # not whole: it would have been taken
        work.rename(final)


def compile_all(
    work: Path, files: list[str], compiler: list[str], program: str, told: Callable[[float, float], None]
) -> None:
    """Compile the files in `work`, the largest first and as many at once as there are processors; link them."""
    variables = environment()
    launcher = [variables["OBJCACHE"]] if "OBJCACHE" in variables else []
    sizes = {file: (work / file).stat().st_size for file in files}
    order = sorted(files, key=lambda file: -sizes[file])

    def run(command: list[str]) -> None:
        done = subprocess.run(
            command,
            cwd=work,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            raise LanesBuildError(f"{' '.join(command[:2])}: {told_by(done.stdout + done.stderr, work)}")

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(run, [*launcher, *compiler, "-c", file, "-o", f"{file}.o"]): sizes[file] for file in order}
        ready = 0
        try:
            for job in as_completed(jobs):
                job.result()
                ready += jobs[job]
                told(_NETLIST + _MODEL + (1 - _NETLIST - _MODEL) * ready / sum(sizes.values()), 1.001)
        except BaseException:  # an interrupt too: what has not begun need not begin
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    run([compiler[0], "-pthread", "-o", program, *(f"{file}.o" for file in files)])
