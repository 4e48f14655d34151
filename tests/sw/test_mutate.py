"""`makalu mutate`: a small block from its text to the figures, what is judged, and what a stopped call leaves."""

from dataclasses import replace

import pytest
from typer.testing import CliRunner

from makalu.sw.cli.main import app
from makalu.sw.cli.mutate import figures_of
from makalu.sw.results import failed
from makalu.sw.rtl.mutant_run import MutantRun, Outcome, RecordError, run_controls
from makalu.sw.rtl.mutants import Mutant, Mutated
from makalu.sw.rtl.survivors import Entry, MutatedBlock
from verif.lib import cases

BLOCK = MutatedBlock(name="emitted", bench="emit", case="emitted-icarus", parts=("StepCell",), survivors=())
PLACE = {"module": "lane", "part": "Lane", "mode": "inv", "port": "A"}


def a_run(path, killed, *entries):
    """A block whose mutants are killed or not."""
    mutants = tuple(Mutant(number=n, bit=n, **PLACE) for n in range(1, len(killed) + 1))
    block = replace(BLOCK, name="own", survivors=entries)
    run = MutantRun(block=block, case=None, mutated=Mutated("", "", mutants, {}), path=path / "own.jsonl")
    for number, dead in enumerate([False, *killed]):
        name = mutants[number - 1].name if number else "control"
        run.keep(Outcome(number=number, name=name, killed=dead, equal=False, seen="", seconds=2.0))
    return run


def reason(bit, kind="equivalent"):
    return Entry(kind=kind, reason="why", part="Lane", bits=str(bit))


def figures(run, unknown=0, *, reviewed=True, every=1):
    found = figures_of([run], unknown, reviewed=reviewed, every=every)
    return {figure.name: figure for figure in found}, [figure.name for figure in failed(found)]


def test_figures_count_what_is_killed_alive_and_equivalent(tmp_path):
    run = a_run(tmp_path, [True] * 97 + [False] * 3, reason(98), reason(99), reason(100, "alive"))
    found, bad = figures(run)
    values = {name: figure.value for name, figure in found.items()}
    assert (values["own_killed"], values["own_alive"], values["own_equivalent"]) == (97, 1, 2)
    assert values["score"] == values["own_score"] == round(97 / 98, 4) and not bad
    assert found["score"].bar == 0.98 and found["own_score"].bar == 0.95


def test_survivors_without_a_reason_and_bars(tmp_path):
    run = a_run(tmp_path, [True] * 96 + [False] * 4)
    assert figures(run, 4)[1] == ["score", "unreviewed"]
    found, bad = figures(run, 4, every=2)  # some blocks: 95 % is enough, but each survivor needs a reason
    assert bad == ["unreviewed"] and found["blocks_left_out"].met is None
    assert figures(run, 4, reviewed=False)[1] == []
    assert figures(a_run(tmp_path, [True] * 94 + [False] * 6), 6, reviewed=False)[1] == ["score"]


def test_a_record_is_read_again_but_for_half_a_line(tmp_path):
    run = a_run(tmp_path, [True, False])
    again = replace(run, outcomes={})
    again.read()
    assert again.outcomes == run.outcomes and again.todo == [] and again.limit == 50
    fewer = replace(again, mutated=replace(run.mutated, mutants=run.mutated.mutants[:1]), outcomes={})
    fewer.read()
    assert list(fewer.outcomes) == [0, 1] and fewer.survivors == []
    other = replace(run, mutated=replace(run.mutated, mutants=run.mutated.mutants[::-1]), outcomes={})
    with pytest.raises(RecordError, match="is of other mutants"):
        other.read()
    run.path.write_text(run.path.read_text()[:-4])
    cut = replace(run, outcomes={})
    cut.read()
    assert cut.todo == [2]
    cut.keep(run.outcomes[2])
    assert len(run.path.read_text().splitlines()) == 3
    run.path.write_text('{"number": 1}\n')
    with pytest.raises(RecordError, match="delete it to begin anew"):
        replace(run, outcomes={}).read()


def test_a_control_must_pass(monkeypatch, tmp_path):
    def fails(*_, **__):
        raise cases.BenchFailure("emit: 1 of 1 tests failed\ncycle 3 differs")

    monkeypatch.setattr(cases, "run_case", fails)
    run = replace(a_run(tmp_path, [True]), outcomes={})
    with pytest.raises(RecordError, match=r"own: its bench must pass without a mutant:\nemit: 1 of 1 .*\ncycle 3"):
        run_controls(cases, [run], workers=1, report=print)


def test_a_block_that_is_not_there_is_named():
    result = CliRunner().invoke(app, ["mutate", "pe", "nothing"])
    assert result.exit_code == 1 and "not ['nothing']" in result.stderr and "'chain_adder'" in result.stderr
