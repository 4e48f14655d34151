"""Figures: what is written is what is read, and a figure that makes no sense is refused."""

import io
import json
import re
import subprocess
from functools import partial

import pytest
from rich.console import Console

from makalu.spec.preset import load_preset
from makalu.sw import commit as commit_module
from makalu.sw import results
from makalu.sw.cli import bench as bench_module
from makalu.sw.cli import soak
from makalu.sw.cli.bench import bench
from makalu.sw.cli.conclusion import conclude
from makalu.sw.commit import commit
from makalu.sw.results import Figure, at_least, at_most, failed, is_current, read_results, write_results

CONFIG = load_preset("tiny")


def test_what_is_written_is_read(tmp_path):
    figures = [
        Figure(name="verilog", value=1024, unit="bytes"),
        at_least("utilisation", 0.9, "1", bar=0.8, kind="must"),
        at_most("build", 100.0, "s", bar=60, kind="goal"),
    ]
    path = write_results("bench", CONFIG, figures, folder=tmp_path)
    record = json.loads(path.read_text())
    assert path.name == "bench.json" and record["digest"] == CONFIG.digest and "verilator" in record["versions"]
    assert read_results(path) == figures
    assert [figure.met for figure in figures] == [None, True, False]
    assert list(tmp_path.iterdir()) == [path]


def test_only_a_missed_must_fails():
    missed = at_least("speed", 1, "cycles/s", bar=2, kind="must")
    goal = at_least("other", 1, "1", bar=2, kind="goal")
    assert failed([missed, goal, Figure(name="x", value=0, unit="1")]) == [missed]


def test_a_promise_needs_an_outcome():
    with pytest.raises(ValueError, match="kind and met, or neither"):
        Figure(name="speed", value=1, unit="1", kind="must")
    with pytest.raises(ValueError, match="kind must be one of"):
        Figure(name="speed", value=1, unit="1", kind="hope", met=True)


def test_names_are_distinct(tmp_path):
    with pytest.raises(ValueError, match="distinct names"):
        write_results("bench", CONFIG, [Figure(name="x", value=0, unit="1")] * 2, folder=tmp_path)


def test_figures_of_another_preset_are_not_current(tmp_path):
    path = write_results("bench", [CONFIG], [], folder=tmp_path)
    assert is_current(path, [CONFIG])
    assert not is_current(path, [load_preset("small")]) and not is_current(tmp_path / "none.json", [CONFIG])


def test_a_part_that_is_not_measured_again_keeps_its_own_date_and_versions(monkeypatch, tmp_path):
    """Of two parts under two commits and tools, each states its own; measured again, a part has one set of figures."""
    monkeypatch.setattr(bench_module, "FILE", tmp_path / "bench.json")
    monkeypatch.setattr(bench_module, "conclude", partial(conclude, folder=tmp_path))
    for part in ("gemm", "timing"):
        figure = Figure(name=f"{part}_x", value=1, unit="1")
        monkeypatch.setitem(bench_module.PARTS, part, lambda _, figure=figure: [figure])
    console = Console(quiet=True)
    for part, at in (("gemm", "one"), ("timing", "two"), ("timing", "three")):
        monkeypatch.setattr(results, "commit", lambda at=at: at)
        names = [figure.name for figure in bench((part,), console)]
    assert names == ["gemm_x", "timing_x"]
    parts = json.loads((tmp_path / "bench.json").read_text())["parts"]
    assert {name: part["versions"]["commit"] for name, part in parts.items()} == {"gemm": "one", "timing": "three"}
    assert [parts[name]["preset"] for name in ("gemm", "timing")] == ["small, trn2-mini, trn2"] * 2
    assert all("date" in part and "verilator" in part["versions"] for part in parts.values())
    monkeypatch.setattr(bench_module, "PRESETS", ("tiny",))
    assert [figure.name for figure in bench(("timing",), console)] == ["timing_x"]  # gemm was on other presets


def test_the_commit_is_stated(monkeypatch, tmp_path):
    versions = json.loads(write_results("sim", CONFIG, [], folder=tmp_path).read_text())["versions"]
    assert versions["commit"] == commit()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(commit_module, "ROOT", tmp_path)
    assert commit() == "none"

    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)

    git("init")
    git("add", "pyproject.toml")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "first")
    assert re.fullmatch("[0-9a-f]{7,}", commit())
    (tmp_path / "pyproject.toml").write_text("changed")
    assert re.fullmatch("[0-9a-f]{7,}-dirty", commit())


def test_the_path_of_the_figures_is_right_from_any_folder(monkeypatch, tmp_path):
    for here in (tmp_path, tmp_path / "elsewhere"):
        here.mkdir(exist_ok=True)
        monkeypatch.chdir(here)
        console = Console(file=io.StringIO(), width=40)
        conclude("some", CONFIG, [], console, folder=tmp_path / "results")
        said = console.file.getvalue()
        assert said.startswith("figures: ") and (here / said.removeprefix("figures: ").strip()).is_file()


def test_soak_promises_its_programs_when_nothing_is_asked_for():
    record = {"next": 4999, "failed": {}, "cycles": 1, "bytes": 1, "seconds": 60.0}
    whole, *_ = soak._figures({"tiny": record, "trn2-mini": record}, bar=10000)
    assert (whole.bar, whole.kind, whole.met) == (10000, "must", False)
    assert soak._figures({"tiny": record}, bar=None)[0].kind is None
