"""Builds where the path is one that make and shells take apart: they work, and what is told of it is one line."""

import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from makalu.spec.isa import Queue
from makalu.spec.preset import load_preset
from makalu.sw.rtl import machine_build, run_files, simulators
from makalu.sw.rtl import plain as module
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.machine_build import build_machine
from makalu.sw.rtl.plain import PlainPathError, is_plain, plain, plain_copy, plain_work
from makalu.sw.rtl.run_files import RunFiles, simulate
from tests.rtl.copy_core import BEATS, CopyCore
from tests.rtl.test_machine import BEAT, PROGRAM, TARGET, TIMING, image

CONFIG = load_preset("tiny")
ODD = ["a b", "a$HOME", "a#b", "a'b", 'a"b', "a(b)", "a%b", "a:b", "a\tb", "a\nb", "ä", "a;b&c", "a=b", "~a", "[a]*?"]

PLAIN = re.compile(r"[\w./-]+", re.ASCII)
"""A narrower rule than the module's, written again."""


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path_factory):
    """Links and copies go to a folder of the test."""
    folder = tmp_path_factory.mktemp("place")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(module, "_PLACES", (folder,))
    return folder


@pytest.mark.parametrize("name", ODD)
def test_an_odd_path_has_a_plain_one_that_stays_the_same(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "tool").write_text("x")
    found = plain(folder / "tool")
    assert not is_plain(folder) and is_plain(found) and found.samefile(folder / "tool")
    assert plain(folder / "tool") == found and plain(found) == found


@pytest.mark.parametrize("name", ODD)
def test_what_is_left_of_the_work_goes_to_the_folder(tmp_path, place, name):
    (tmp_path / name).mkdir()
    with plain_work(tmp_path / name) as work:
        assert PLAIN.fullmatch(str(work))
        (work / "whole").mkdir()
        (work / "whole" / "machine").write_text("x")
    assert (tmp_path / name / "whole" / "machine").read_text() == "x" and not list(place.iterdir())


def test_a_plain_path_is_itself(tmp_path):
    assert plain(tmp_path) == tmp_path
    with plain_work(tmp_path) as work:
        assert work == tmp_path


def test_a_copy_is_made_once_a_version(tmp_path):
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "tool").write_text("1")
    copy = plain_copy(folder, "1")
    assert is_plain(copy.resolve()) and (copy / "tool").read_text() == "1"
    (folder / "tool").write_text("2")
    assert plain_copy(folder, "1") == copy and (copy / "tool").read_text() == "1"
    assert (plain_copy(folder, "2") / "tool").read_text() == "2" and plain_copy(copy, "1") == copy
    assert {path.name for path in copy.parent.iterdir()} == {copy.name, plain_copy(folder, "2").name}


def test_links_that_somebody_else_may_have_made_are_not_followed(tmp_path, place):
    links = place / f"makalu-{os.getuid()}"
    links.mkdir()
    links.chmod(0o777)
    with pytest.raises(PlainPathError, match="must be a folder that only this user can write to"):
        plain(tmp_path / "a b" / "tool")
    links.rmdir()
    links.symlink_to(tmp_path)
    with pytest.raises(PlainPathError, match="must be a folder that only this user can write to"):
        plain(tmp_path / "a b" / "tool")


def test_without_a_plain_place_it_is_one_line(tmp_path, monkeypatch, place):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a b"))
    assert module.plain_place() == place
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(PlainPathError, match=rf"none of .*a b, {place} is; set TMPDIR") as error:
        plain(tmp_path / "a b")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ODD)
def test_simulators_are_told_plain_paths_only(tmp_path, monkeypatch, name):
    """Of Verilator, Python and ccache in an odd folder; a temporary folder that is odd is no other's."""
    root = tmp_path / name
    for file in ("verilator/bin/verilator", "bin/python3", "bin/ccache"):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch(0o755)
    monkeypatch.setattr(simulators, "verilator_root", lambda: root / "verilator")
    monkeypatch.setattr(simulators.sys, "executable", str(root / "bin" / "python3"))
    variables = simulators.environment()
    assert is_plain(Path(variables["OBJCACHE"])) and is_plain(Path(variables["VERILATOR_ROOT"]).resolve())
    assert (Path(variables["VERILATOR_ROOT"]) / "bin" / "verilator").is_file()
    assert Path(variables["OBJCACHE"]).samefile(root / "bin" / "ccache")
    python = variables["MAKEFLAGS"].partition("PYTHON3=")[2]
    assert is_plain(Path(python)) and Path(python).samefile(root / "bin" / "python3") and "TMPDIR" not in variables
    monkeypatch.setattr(tempfile, "tempdir", str(root))
    assert is_plain(Path(simulators.environment()["TMPDIR"]))


@pytest.mark.parametrize("name", ODD)
def test_a_tool_works_in_a_plain_folder_and_the_machine_is_where_it_is_wanted(tmp_path, monkeypatch, name):
    monkeypatch.setattr(machine_build, "MACHINES", tmp_path / name)
    monkeypatch.setattr(machine_build, "_commands", lambda *_: ["sh", "-c", "pwd > machine; mkdir model"])
    settings = {"bus": CONFIG.bus, "simulator": "verilator", "fast": True, "memory_bytes": 1 << 16, "observed": []}
    built = build_machine("module core(clk);\nendmodule\n", name="fake", **settings)
    assert PLAIN.fullmatch((built.folder / "machine").read_text().strip())
    assert built.folder.parent == tmp_path / name and not (built.folder / "model").exists()
    assert [path.name for path in (tmp_path / name).iterdir() if path.is_dir()] == [built.folder.name]


@pytest.mark.parametrize("name", ODD)
def test_a_simulation_is_told_paths_below_its_own_folder(tmp_path, monkeypatch, name):
    """A fleet's jobs are lines that are taken apart at blanks."""
    monkeypatch.setattr(run_files, "RUNS", tmp_path / name)
    files = RunFiles(CONFIG, bytes(64), "script", limit=64, log=True, row_bytes=1)
    told = [argument.partition("=")[2] for argument in files.arguments]
    assert all(PLAIN.fullmatch(text) for text in told) and sum("/" in text for text in told) == len(files.paths)
    simulate(["sh", "-c", f"test -s {files._folder.name}/image"])


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.icarus)])
def test_a_core_is_built_and_runs_in_an_odd_folder(tmp_path, monkeypatch, simulator):
    """Verilator itself, the machine, and the files of its run: all behind a space, a quote, a dollar and a hash."""
    odd = tmp_path / 'it\'s $HOME #1 "(a b)"'
    odd.mkdir()
    (odd / "verilator").symlink_to(simulators.verilator_root(), target_is_directory=True)
    monkeypatch.setattr(simulators, "verilator_root", lambda: odd / "verilator")
    monkeypatch.setattr(machine_build, "MACHINES", odd / "machines")
    monkeypatch.setattr(run_files, "RUNS", odd / "runs")
    core = CopyCore(config=CONFIG)
    machine = Machine(config=CONFIG, simulator=simulator, observe="trace", memory_bytes=1 << 16, core=core)
    before = image()
    result = machine.run(before, {Queue.TENSOR: PROGRAM}, max_cycles=1000, memory=TIMING, log=True)
    after = before.copy()
    after[TARGET : TARGET + BEATS * BEAT] = before[: BEATS * BEAT]
    assert np.array_equal(result.memory, after) and result.log.is_relative_to(odd) and result.trace.is_file()
    assert machine.build().folder.is_relative_to(odd / "machines")
