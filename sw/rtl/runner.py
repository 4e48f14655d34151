"""Build a bench once, run its cocotb tests, and fail with the message of the test that failed.

A build is `build/benches/<name>-<simulator>-<digest>`, the digest over sources, arguments and tool versions. It is made
in a temporary folder and renamed when it is whole, so an interrupted build is never used. `params` reach the bench as
JSON in the environment variable `MAKALU_BENCH_PARAMS`; a bench reads them with `bench_params()`.
"""

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from amaranth.lib import wiring
from cocotb_tools import config
from cocotb_tools.runner import get_runner

from makalu.hw.lib.emit import Emission, inlined_verilog
from makalu.spec.versions import versions
from makalu.sw.paths import BUILD, ROOT
from makalu.sw.rtl.kept_text import component_text
from makalu.sw.rtl.lock import alone, work_folder
from makalu.sw.rtl.params import PARAMS_VARIABLE, bench_params
from makalu.sw.rtl.plain import plain, plain_work
from makalu.sw.rtl.shared import DATAFLOW, shared_modules
from makalu.sw.rtl.simulators import FEW_FILES, VERIFY_ARGS, WAIVED, environment, have_icarus, patched
from makalu.sw.rtl.waves import FST_ARGS, Waves, fst_files

__all__ = ["BenchFailure", "bench_params", "bench_text", "cocotb_bench", "have_icarus", "run_bench"]

BENCHES: Path = BUILD / "benches"
TOP = "dut"
TIMESCALE = ("1ns", "1ps")
_PORTS_ONLY = ("--no-public-flat-rw", "--public-depth", "1")
"""cocotb's runner makes every signal public; a bench sees the ports of the top, which compiles in half the time."""
_LOG_LINES = 60
_WHOLE = "whole"


class BenchFailure(AssertionError):
    """A cocotb test failed, none ran, or the build stopped; the message carries names, messages and the log's end."""


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else ["(no log)"]
    return "\n".join(lines[-_LOG_LINES:])


def _arguments(simulator: str, hierarchical: bool, waves: bool, build_args: Sequence[str]) -> list[str]:
    if simulator == "icarus":
        return list(build_args)
    if simulator != "verilator":
        why = ": lanes runs machines, not cocotb benches" if simulator == "lanes" else ""
        raise ValueError(f"simulator must be verilator or icarus, not {simulator!r}{why}")
    common = [*_PORTS_ONLY, *VERIFY_ARGS, *FEW_FILES, *DATAFLOW, *(f"-Wno-{name}" for name in WAIVED)]
    return [*common, *(["--hierarchical"] if hierarchical else []), *(FST_ARGS if waves else ()), *build_args]


def _build(
    sources: Mapping[str, str],
    top: str,
    name: str,
    simulator: str,
    arguments: list[str],
    parameters: dict[str, int],
    waves: bool,
) -> Path:
    """The folder with the built simulation; `sources` maps file names to text."""
    helpers = fst_files() if waves and simulator == "verilator" else {}
    identity = json.dumps([sources, top, simulator, arguments, parameters, waves, helpers, versions()], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    final = BENCHES / f"{name}-{simulator}-{digest}"
    with alone(final):
        if not final.is_dir():
            _compile(sources, helpers, top, name, simulator, arguments, parameters, waves, final)
    return final


def _compile(
    sources: Mapping[str, str],
    helpers: Mapping[str, str],
    top: str,
    name: str,
    simulator: str,
    arguments: list[str],
    parameters: dict[str, int],
    waves: bool,
    final: Path,
) -> None:
    """Build in a temporary folder; what is needed of it becomes `final` when it is whole."""
    with work_folder(final) as folder:
        with plain_work(folder) as work:
            _run(sources, helpers, top, name, simulator, arguments, parameters, waves, work)
        (folder / _WHOLE).rename(final)


def _run(
    sources: Mapping[str, str],
    helpers: Mapping[str, str],
    top: str,
    name: str,
    simulator: str,
    arguments: list[str],
    parameters: dict[str, int],
    waves: bool,
    work: Path,
) -> None:
    """Leaves the folder `_WHOLE` in `work`."""
    paths = []
    for file_name, text in sources.items():
        paths.append(work / file_name)
        paths[-1].write_text(text)
    for file_name, text in helpers.items():
        (work / file_name).write_text(text)
    log = work / "build.log"
    with patched(environment()), _plain_cocotb():
        try:
            get_runner(simulator).build(
                sources=paths,
                hdl_toplevel=top,
                build_dir=work / "model",
                build_args=arguments,
                parameters=parameters,
                timescale=TIMESCALE,
                waves=waves,
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            raise BenchFailure(f"{name}: build for {simulator} failed ({error})\n{_tail(log)}") from error
    # of Verilator's folder only the program is needed again: the rest is a hundred times its size
    whole = work / _WHOLE
    whole.mkdir()
    for path in [*paths, log, work / "model" / ("sim.vvp" if simulator == "icarus" else top)]:
        shutil.move(path, whole)
    for path in work.iterdir():
        if path != whole and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _plain_cocotb() -> Iterator[None]:
    """cocotb's runner gives make and the linker the paths that cocotb's configuration has."""
    saved = config.libs_dir, config.share_dir
    config.libs_dir, config.share_dir = (plain(path) for path in saved)
    try:
        yield
    finally:
        config.libs_dir, config.share_dir = saved


def _check(results: Path, name: str, log: Path) -> int:
    if not results.is_file():
        raise BenchFailure(f"{name}: the simulation ended without results\n{_tail(log)}")
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    failures = []
    for case in cases:
        for kind in ("failure", "error"):
            for found in case.iter(kind):
                message = found.get("error_msg") or found.get("message") or found.text or ""
                failures.append(f"{case.get('classname')}.{case.get('name')}: {found.get('error_type')} {message}")
    if failures:
        details = "\n".join([*failures, _tail(log)])
        raise BenchFailure(f"{name}: {len(failures)} of {len(cases)} tests failed\n{details}")
    ran = sum(1 for case in cases if case.find("skipped") is None)
    if ran == 0:
        raise BenchFailure(f"{name}: no test ran\n{_tail(log)}")
    return ran


def cocotb_bench(
    *,
    sources: Mapping[str, str],
    top: str,
    name: str,
    test_module: str,
    simulator: str = "verilator",
    params: Mapping[str, Any] | None = None,
    hierarchical: bool = False,
    build_args: Sequence[str] = (),
    parameters: Mapping[str, int] | None = None,
    plusargs: Sequence[str] = (),
    inner: Mapping[str, str] | None = None,
    seed: int = 1,
    test_filter: str | None = None,
    label: str = "",
    variables: Mapping[str, str] | None = None,
    junit: Path | None = None,
    waves: Waves | None = None,
) -> int:
    """Build `sources` (file name -> Verilog text) and run the tests of `test_module`; returns how many ran.

    `name` is the build's, `label` what messages and results call the run (by default the same); `parameters` are the
    top module's, `inner` the variables below the top that the bench reads or writes (pattern of the module's name ->
    name; everything on Icarus), `test_filter` a pattern of test names, `variables` the simulation's environment beside
    this process's; the folder `junit` keeps the results as `<label>.xml`; `waves` is written as FST, by a build of its
    own (without `hierarchical`, whose blocks would hide their signals).

    Errors: `BenchFailure`. The run's folder (log, results) stays behind when it fails.
    """
    label = label or name
    hierarchical = hierarchical and waves is None
    arguments = _arguments(simulator, hierarchical, waves is not None, build_args)
    if simulator == "verilator":
        shared = shared_modules("".join(sources.values()), hierarchical=hierarchical)
        rules = [f'public_flat_rw -module "{module}" -var "{variable}"' for module, variable in (inner or {}).items()]
        sources = {"control.vlt": "\n".join([shared, *rules, ""]), **sources}
    folder = _build(sources, top, name, simulator, arguments, dict(parameters or {}), waves is not None)
    run = Path(tempfile.mkdtemp(prefix="run-", dir=folder))
    log, results = run / "sim.log", run / "results.xml"
    if simulator == "verilator":
        plusargs = [*plusargs, "+verilator+rand+reset+2", f"+verilator+seed+{seed}"]
    test_args = []
    if waves is not None:
        file = str(waves.path.absolute())
        if simulator == "verilator":
            test_args = ["--trace-file", file]
        else:
            plusargs = [*plusargs, f"+dumpfile_path={file}"]
    changes = {**environment(), PARAMS_VARIABLE: json.dumps(dict(params or {})), "PYTHONDONTWRITEBYTECODE": "1"}
    changes |= variables or {}
    saved_path = list(sys.path)
    sys.path.insert(0, str(ROOT))  # the runner hands sys.path to the simulation: `verif` is found from the root
    try:
        # with PYTEST_CURRENT_TEST the runner would leave through sys.exit before we can read the results
        without = ("PYTEST_CURRENT_TEST", "COCOTB_TEST_FILTER", "COCOTB_RESOLVE_X")
        with patched(changes, without=without), _plain_cocotb():
            get_runner(simulator).test(
                test_module=test_module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=folder,
                test_dir=run,
                plusargs=list(plusargs),
                test_args=test_args,
                waves=waves is not None,
                seed=seed,
                results_xml=str(results),
                log_file=log,
                timescale=TIMESCALE,
                test_filter=test_filter,
            )
    except (RuntimeError, SystemExit) as error:
        if not results.is_file():
            raise BenchFailure(f"{label}: simulation stopped ({error})\n{_tail(log)}") from error
    finally:
        sys.path[:] = saved_path
    if junit is not None and results.is_file():
        junit.mkdir(parents=True, exist_ok=True)
        shutil.copy(results, junit / f"{label}.xml")
    ran = _check(results, label, log)
    shutil.rmtree(run, ignore_errors=True)
    return ran


def bench_text(
    component: wiring.Component,
    *,
    inlined: bool = False,
    idle_clocks: bool = False,
    collisions: str = "old",
    kept: bool = False,
) -> str:
    """Verilog of `component` as module `TOP`, with the assertions.

    `inlined` takes Amaranth's own hierarchy instead of the shared modules, `kept` the text of an earlier emission (so
    nothing of the component may be replaced inside this process), `idle_clocks` and `collisions` are `Emission`'s.
    """
    if inlined:
        return inlined_verilog(component, name=TOP)
    if kept:
        return component_text(component, name=TOP, idle_clocks=idle_clocks, collisions=collisions)
    emission = Emission(assertions=True, idle_clocks=idle_clocks, collisions=collisions)
    return emission.verilog(component, name=TOP)


def run_bench(component: wiring.Component, *, simulator: str = "verilator", **options: Any) -> int:
    """`cocotb_bench` of one component that is in no table of cases; returns how many tests ran."""
    sources = {f"{TOP}.v": bench_text(component)}
    return cocotb_bench(sources=sources, top=TOP, simulator=simulator, **options)
