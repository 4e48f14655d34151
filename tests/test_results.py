"""Figures: what is written is what is read, and a figure that makes no sense is refused."""

import json

import pytest

from makalu.hw.spec.preset import load_preset
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
    path.write_text(path.read_text().replace('"verilator": "', '"verilator": "0.'))
    assert not is_current(path, [CONFIG])
