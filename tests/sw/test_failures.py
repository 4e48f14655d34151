"""What the system refuses, an interrupt, a slow machine: a line or silence, never a traceback; nothing half written."""

import ast
import errno
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from makalu.sw.cli import entry, main, public_kernels
from makalu.sw.cli import soak as soak_module
from makalu.sw.cli.bench import bench, text
from makalu.sw.cli.conclusion import conclude
from makalu.sw.cli.docs import docs
from makalu.sw.cli.main import app
from makalu.sw.cli.soak import SoakError, soak
from makalu.sw.paths import BUILD, ROOT
from makalu.sw.results import ResultsError, failed, read_results

QUIET = Console(quiet=True)
KERNEL = """
import nki
import nki.language as nl

@nki.jit
def doubled(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm, name="y")
    nl.store(out, nl.multiply(nl.load(x), 2.0))
    return out
"""


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(*arguments):
    """The line of a call that must fail."""
    result = call(*arguments)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.output
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("makalu: "), result.stderr
    return result.stderr.removeprefix("makalu: ").rstrip()


def program(*arguments, **options):
    """The command as a process of its own; it hears an interrupt, also where the tests run in the background."""
    command = [sys.executable, "-m", "makalu.sw.cli.entry", *(str(argument) for argument in arguments)]
    options = {"stderr": subprocess.PIPE, "preexec_fn": hear_interrupts, **options}
    return subprocess.Popen(command, text=True, start_new_session=True, **options)


def hear_interrupts():
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def files_of_at_most(size):
    """A disk that is full: the system refuses a write beyond the limit where it would refuse one without room."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


# what the system refuses


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", b"/a/b"), "/a/b: Not a directory"),
        (OSError("something else"), "something else"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", "iverilog"),
            "iverilog: No such file or directory",
        ),
        (
            OSError(errno.EROFS, "Read-only file system", str(BUILD / "runs")),
            f"{BUILD / 'runs'}: Read-only file system (MAKALU_BUILD moves the build folder, {BUILD})",
        ),
        (MemoryError(), "this machine has not the memory for it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_system_refuses_is_a_line(monkeypatch, error, line):
    def fail(*_):
        raise error

    monkeypatch.setattr(main, "simulate", fail)
    assert refused("sim") == line


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (("generate", "--preset", "tiny"), "file/build"),
        (("sim", "--preset", "tiny"), "/proc/build"),
        (("scaling",), "n" * 300),
    ],
    ids=["generate", "sim", "scaling"],
)
def test_a_build_folder_that_cannot_be_made_is_a_line(tmp_path, command, place):
    """Said before anything is generated, trained or simulated."""
    (tmp_path / "file").touch()
    with program(*command, env={**os.environ, "MAKALU_BUILD": str(tmp_path / place)}) as process:
        line = process.stderr.read()
    assert process.returncode == 1 and line.count("\n") == 1, line
    assert line.startswith(f"makalu: output must go to a folder that can be written to, not {tmp_path / place}/"), line


def test_a_disk_without_room_leaves_no_text(monkeypatch, tmp_path):
    def text(core, **_):
        core._MustUse__used = True  # Amaranth reports a component that is never elaborated
        return "module core(" + "x" * 200_000

    monkeypatch.setattr("makalu.hw.generate.core_verilog", text)
    with files_of_at_most(100_000):
        line = refused("generate", "--preset", "tiny", "-o", tmp_path)
    assert line == f"{tmp_path / 'tiny.v'} cannot be written: File too large" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("room", [100, 500, 3_000, 20_000])
def test_a_disk_without_room_leaves_no_numbers_of_a_run(tmp_path, room):
    """Those of the earlier run go too: its outputs are no longer what they say."""
    (tmp_path / "k.py").write_text(KERNEL)
    arguments = ("run", f"{tmp_path}/k.py::doubled", "--preset", "tiny", "--out", tmp_path / "o", "--arg")
    assert call(*arguments, "x=4x8:fp32").exit_code == 0
    with files_of_at_most(room):
        line = refused(*arguments, "x=4x512:fp32")
    assert "cannot be written: " in line and not (tmp_path / "o" / "result.json").exists()
    for path in (tmp_path / "o").rglob("*.npy"):
        np.load(path)  # each is whole
    assert not list((tmp_path / "o").rglob(".*"))


def test_standard_output_without_room_is_a_line():
    with open("/dev/full", "w") as full, program("presets", stdout=full) as process:
        line = process.stderr.read()
    assert process.returncode == 1 and line.count("\n") == 1 and "No space left on device" in line, line


def test_a_reader_that_has_enough_is_told_nothing():
    read, write = os.pipe()
    os.close(read)
    with program("presets", stdout=write) as process:
        assert process.stderr.read() == ""
    os.close(write)


def test_without_scikit_learn_sim_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert refused("sim", "--preset", "tiny").startswith("the digits are scikit-learn's: pip install scikit-learn (")


def test_a_folder_that_was_removed_is_a_line(monkeypatch, capsys):
    """Python imports in it, before there is a command."""

    def gone(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(entry.importlib, "import_module", gone)
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 1 and capsys.readouterr().err == "makalu: .: No such file or directory\n"


# an interrupt


def test_an_interrupt_is_silent(monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "simulate", stop)
    result = call("sim")
    assert result.exit_code == 130 and result.output == result.stderr == ""
    monkeypatch.setattr(entry.importlib, "import_module", stop)  # while Python imports
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 130


FINALISER = """
import os, signal, time
from makalu.sw.cli import entry

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000):
            pass

signal.signal(signal.SIGINT, entry._interrupt)
try:
    Dropped()
    time.sleep(20)
except KeyboardInterrupt:
    print("seen")
"""


def test_an_interrupt_in_a_finaliser_is_not_lost():
    """Python drops what a `__del__` raises."""
    result = subprocess.run([sys.executable, "-c", FINALISER], capture_output=True, text=True, timeout=20, check=False)
    assert (result.stdout, result.stderr) == ("seen\n", "")


@pytest.mark.slow
def test_an_interrupt_while_generating_is_silent_and_leaves_nothing(tmp_path):
    """As a terminal does it: the whole group of processes gets the signal."""
    with program("generate", "--preset", "tiny", "-o", tmp_path / "o", stdout=subprocess.PIPE) as process:
        while not (tmp_path / "o").is_dir():
            time.sleep(0.02)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate()
    assert said == ("", "") and process.returncode == 130 and not list((tmp_path / "o").iterdir())


# files of earlier calls


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"figures": 5}', b"\xff", b"[" * 100_000], ids=repr)
def test_a_damaged_file_of_an_earlier_call_is_a_line(monkeypatch, tmp_path, content):
    (tmp_path / "bench.json").write_bytes(content)
    with pytest.raises(ResultsError, match=r"bench.json is no file of figures; delete it to measure anew"):
        docs(QUIET, folder=tmp_path, results=tmp_path)
    monkeypatch.setattr("makalu.sw.cli.bench.FILE", tmp_path / "bench.json")
    with pytest.raises(ResultsError, match=r"bench.json is no file of figures"):
        bench(("gemm",), QUIET)
    (tmp_path / "soak").mkdir()
    (tmp_path / "soak" / "tiny-x.json").write_bytes(content)
    monkeypatch.setattr(soak_module, "Soaker", lambda *_, **__: type("", (), {"name": "tiny-x", "batch": 1}))
    with pytest.raises(SoakError, match=r"tiny-x.json is no record of a soak; delete it to begin at seed 0"):
        soak(["tiny"], 1, QUIET, folder=tmp_path)


# a slow machine

SPEEDS = {"s", "CPU s", "CPU ms", "cycles/s", "programs/min"}


def speed_musts(path):
    """Units of the speeds that a module's figures must reach."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("at_most", "at_least"):
            kinds = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            unit = node.args[2]
            if kinds.get("kind") == "must" and isinstance(unit, ast.Constant) and unit.value in SPEEDS:
                yield unit.value


def test_only_bench_fails_where_the_machine_is_slow():
    files = sorted((ROOT / "sw" / "cli").rglob("*.py"))
    judged = {path for path in files if list(speed_musts(path))}
    assert judged and all(path.parent.name == "bench" for path in judged), judged


def test_generate_says_what_it_took_and_does_not_judge(monkeypatch, tmp_path):
    slow = (("seconds", 1e6, "s"), ("bytes", 10**9, "bytes"), ("modules", 10**6, "modules"))
    made = type("", (), dict.fromkeys(("verilog", "side"), Path(__file__)))
    for module in ("makalu.sw.cli.generate", "makalu.sw.cli.bench.text"):
        monkeypatch.setattr(f"{module}.text_figures", lambda *_: slow)
        monkeypatch.setattr(f"{module}.generate", lambda *_, **__: made)
    monkeypatch.setattr("makalu.sw.cli.generate.conclude", partial(conclude, folder=tmp_path))
    assert call("generate", "--preset", "tiny", "-o", tmp_path).exit_code == 0
    assert {f.name: f.met for f in read_results(tmp_path / "generate.json")} == dict.fromkeys(
        ("seconds", "bytes", "modules", "observe")
    )
    names = [f"text_{preset}_{name}" for preset in text.PRESETS for name in ("seconds", "bytes", "modules")]
    assert [figure.name for figure in failed(text.measure(QUIET))] == names


def test_a_slow_public_kernel_is_reported_and_no_failure():
    kernel = public_kernels.PUBLIC[0]
    done = type("", (), {"program": type("", (), {"outputs": [type("", (), {"dtype": "fp32"})], "instructions": 1})})
    done.cycles, done.rtl = 1, None
    figures = public_kernels._figures(public_kernels._Row(kernel, done, seconds=1e6))
    (seconds,) = (figure for figure in figures if figure.unit == "s")
    assert (seconds.kind, seconds.met) == ("goal", False) and not failed(figures)
