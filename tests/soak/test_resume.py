"""A soak goes on where it stopped, and states what failed."""

import json
from dataclasses import replace
from functools import partial

from makalu.sw.cli import main
from makalu.sw.cli import soak as soak_module
from makalu.sw.cli.soak import soak
from makalu.sw.results import read_results
from makalu.sw.rtl.lanes.build import build_lanes
from makalu.sw.rtl.soak import Soaker
from tests.sw.test_cli import call, refused


def test_soak_goes_on_where_it_stopped(monkeypatch, tmp_path):
    """One build; of the second call only the second program runs, and then it fails."""
    seeds = []

    class Watched(Soaker):
        def run(self, cases):
            seeds.extend(case.random.seed for case in cases)
            return super().run(cases)

    class Broken(Soaker):
        def run(self, cases):
            return [replace(verdict, fault="a byte differs") for verdict in super().run(cases)]

    monkeypatch.setattr(main, "run_soak", partial(soak, folder=tmp_path))
    monkeypatch.setattr("makalu.sw.rtl.fleet.build_lanes", partial(build_lanes, fast=False))
    monkeypatch.setattr(soak_module, "Soaker", Watched)
    first = call("soak", "--preset", "tiny", "--programs", "1")
    assert first.exit_code == 0, first.output
    figures = {figure.name: figure for figure in read_results(tmp_path / "results" / "soak.json")}
    assert figures["programs"].value == figures["tiny_programs"].value == 1 and figures["failed"].met
    assert figures["tiny_cycles"].value > 0 and figures["tiny_bytes_compared"].value > 0
    second = call("soak", "--preset", "tiny", "--programs", "2")
    assert second.exit_code == 0 and seeds == [0, 1], second.output
    monkeypatch.setattr(soak_module, "Soaker", Broken)
    assert "programs failed (tiny: seeds 2)" in refused("soak", "--preset", "tiny", "--programs", "3")
    figures = {figure.name: figure for figure in read_results(tmp_path / "results" / "soak.json")}
    assert (figures["programs"].value, figures["failed"].value, figures["failed"].met) == (3, 1, False)
    (record,) = (tmp_path / "soak").iterdir()
    assert record.name.startswith("tiny-x")
    assert json.loads(record.read_text())["failed"] == {"2": "a byte differs"}
