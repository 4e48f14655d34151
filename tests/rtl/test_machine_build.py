"""Building a machine: what the bar is told, one build for all who want it, nothing left of a build that failed."""

import threading
import time

import pytest

from makalu.spec.preset import load_preset
from makalu.sw.rtl import machine_build
from makalu.sw.rtl.lanes.build import LanesBuildError, compile_all
from makalu.sw.rtl.machine import Machine
from makalu.sw.rtl.machine_build import MachineBuildError, _share, build_machine
from tests.rtl.copy_core import CopyCore

CONFIG = load_preset("tiny")
CORE = """module core(clk);
endmodule
module block(clk); /* verilator hier_block */
endmodule
"""
TOOL = """
mkdir -p model/Vblock; touch model/Vbench_hier.mk; echo planned; sleep 0.2
touch model/Vblock/a.cpp model/Vblock/b.cpp model/Vblock/Vblock_classes.mk; echo verilated block
touch model/Vblock/a.o; echo compiled a; sleep 0.2
touch model/Vblock/b.o model/Vblock/libblock.a model/c.cpp; echo compiled b; sleep 0.2
touch model/Vbench_classes.mk model/runtime.o; echo verilated top; sleep 0.2
touch model/c.o machine; echo compiled c
"""
"""What Verilator and make do with `CORE`, as far as the bar can see it."""


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """Puts a shell script in the simulator's place; machines go to an empty folder."""
    monkeypatch.setattr(machine_build, "MACHINES", tmp_path)

    def put(script):
        monkeypatch.setattr(machine_build, "_commands", lambda *_: ["sh", "-c", script])

    return put


def build(report=None):
    return build_machine(
        CORE,
        name="fake",
        bus=CONFIG.bus,
        simulator="verilator",
        fast=True,
        memory_bytes=1 << 16,
        observed=[],
        report=report,
    )


def test_the_bar_only_grows_and_ends_at_the_whole(tool, tmp_path):
    tool(TOOL)
    reports = []
    built = build(lambda done, total: reports.append((done, total)))
    shares = [done / total for done, total in reports]
    assert reports[0] == (0, 3.1) and shares[-1] == 1 and shares == sorted(shares)
    # planned; one of the block's two objects; the block; the top's sources; the program
    seen = [round(done, 2) for done, _ in reports]
    assert {0.1, 0.65, 1.1, 1.5, 3.1} <= set(seen), seen
    assert not built.reused and built.seconds >= 0.6
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [built.folder.name]
    assert not (built.folder / "model").exists()


def test_a_part_counts_its_sources_by_their_size(tmp_path):
    for name, size in (("a", 600), ("b", 300), ("b__Slow", 1000)):
        (tmp_path / f"{name}.cpp").write_bytes(bytes(size))
    assert _share(tmp_path, linked=False) == 0
    (tmp_path / "Va_classes.mk").touch()
    expected = [0.2]
    for name, share in (("a", 0.6), ("b__Slow", 0.1), ("b", 0.3), ("verilated", 0)):
        assert _share(tmp_path, linked=False) == pytest.approx(expected[-1])
        (tmp_path / f"{name}.o").touch()
        expected.append(expected[-1] + 0.7 * share)
    assert _share(tmp_path, linked=False) == pytest.approx(0.9)
    assert _share(tmp_path, linked=True) == pytest.approx(1)


def test_an_earlier_build_is_taken_and_remembers_its_time(tool):
    tool(TOOL)
    first, reports = build(), []
    again = build(lambda done, total: reports.append((done, total)))
    assert again.reused and (again.folder, again.seconds) == (first.folder, first.seconds)
    assert reports == [(1, 1)]


def test_a_failed_build_names_its_reason_and_leaves_no_folder(tool, tmp_path):
    tool("echo no such module; exit 3")
    with pytest.raises(MachineBuildError, match="fake-verilator-[0-9a-f]{12}: no such module"):
        build()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_full_disk_is_one_line(tool):
    tool("for i in 1 2 3; do echo in file $i; done; echo fatal error: closing x.o: No space left on device; exit 1")
    with pytest.raises(MachineBuildError, match="fake-verilator-[0-9a-f]{12}: No space left on device in /") as error:
        build()
    assert "\n" not in str(error.value)


def test_what_a_killed_build_left_is_removed(tool, tmp_path, monkeypatch):
    """Of the same machine only: the folder of another one may be in use."""
    (tmp_path / ".other-x").mkdir()
    tool(f"test -e {tmp_path}/go || exit 3; {TOOL}")
    with monkeypatch.context() as killed, pytest.raises(MachineBuildError):
        killed.setattr("shutil.rmtree", lambda *_, **__: None)
        build()
    assert len([path for path in tmp_path.glob(".fake-*") if path.is_dir()]) == 1
    (tmp_path / "go").touch()
    built = build()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {".other-x", built.folder.name}


def test_who_comes_second_waits_and_takes_it(tool, tmp_path):
    tool(f"echo once >> {tmp_path}/calls; {TOOL}")
    built = []
    threads = [threading.Thread(target=lambda: built.append(build())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.reused for each in built) == [False, True, True]
    assert (tmp_path / "calls").read_text() == "once\n"


def test_a_build_that_stopped_half_way_is_made_again(tool):
    tool(TOOL)
    first = build()
    (first.folder / "seconds").unlink()
    assert not build().reused


@pytest.mark.parametrize("kind", [KeyboardInterrupt, LanesBuildError])
def test_after_an_interrupt_or_an_error_no_compilation_begins(tmp_path, kind):
    files = [f"{i}.cpp" for i in range(40)]
    for file in files:
        (tmp_path / file).write_text("x")
    compiler = tmp_path / "compiler"
    compiler.write_text(f"#!/bin/sh\necho >> {tmp_path}/calls; sleep 0.02; exit {int(kind is LanesBuildError)}\n")
    compiler.chmod(0o755)

    def told(*_):
        raise KeyboardInterrupt

    with pytest.raises(kind):
        compile_all(tmp_path, files, [str(compiler)], "program", told)
    assert 0 < len((tmp_path / "calls").read_text().splitlines()) < 30


@pytest.mark.icarus
def test_a_real_build_under_a_bar(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machine_build, "MACHINES", tmp_path)
    core = CopyCore(config=CONFIG)
    machine = Machine(config=CONFIG, simulator="icarus", memory_bytes=1 << 16, core=core)
    began = time.monotonic()
    built = machine.build(progress=True)
    assert machine.build() is built and 0 <= built.seconds < time.monotonic() - began
    line = capsys.readouterr().out
    assert "building tiny" in line and "100%" in line
