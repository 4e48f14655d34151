"""Sums of a report: cycles by cause add up, for queues, engines, lines and bins."""

import dataclasses
import json

import pytest

from makalu.spec.preset import load_preset
from makalu.sw.compile.program import ProgramError
from makalu.sw.report.record import RunRecord
from makalu.sw.report.summary import summary
from makalu.sw.report.totals import BUSY, HALTED, IDLE, ISSUE, WAIT

from .runs import NAMES, record


@pytest.fixture(params=NAMES, scope="module")
def run(request):
    return record(request.param)


@pytest.fixture(scope="module")
def facts(run):
    return summary(run)


def test_parts_add_up_to_the_run(run, facts):
    for rows in (facts["queues"], facts["engines"]):
        assert rows
        for row in rows:
            assert sum(row["parts"].values()) == facts["cycles"] == run.timeline.cycles
            assert all(cycles > 0 for cycles in row["parts"].values())
            assert not {WAIT, BUSY} & set(row["parts"])


def test_busy_cycles_are_those_with_an_unfinished_instruction(run, facts):
    finished = {(e.where, e.index): e.cycle for e in run.timeline.finishes}
    for engine in facts["engines"]:
        channel = next(e.where for e in run.timeline.finishes if e.where.name.lower() == engine["engine"])
        queue = {e.where.name.lower(): e.where for e in run.timeline.issues}[engine["queue"]]
        issued = {e.index: e.cycle for e in run.timeline.issues if e.where == queue}
        busy = {
            cycle
            for (where, index), finish in finished.items()
            if where == channel
            for cycle in range(issued[index] + 1, finish + 1)
        }
        assert engine["busy"] == len(busy) == facts["cycles"] - engine["parts"].get(IDLE, 0)
        shares = facts["activity"]["engines"][engine["engine"]]
        width, start = facts["activity"]["bin_cycles"], facts["start"]
        for number, share in enumerate(shares):
            bin_cycles = range(start + number * width, min(start + (number + 1) * width, run.timeline.done))
            assert share == pytest.approx(sum(cycle in busy for cycle in bin_cycles) / len(bin_cycles), abs=1e-4)


def test_lines_are_all_instructions(facts):
    lines = facts["lines"]
    columns = facts["table"]["columns"]
    rows = [dict(zip(columns, row, strict=True)) for row in facts["table"]["rows"]]
    assert sum(line["instructions"] for line in lines) == facts["instructions"] == len(rows)
    assert sum(line["busy"] for line in lines) == sum(engine["busy"] for engine in facts["engines"])
    assert sum(line["waited"] for line in lines) == sum(row["waited"] for row in rows)
    waiting = sum(amount for queue in facts["queues"] for part, amount in queue["parts"].items() if part == "semaphore")
    assert sum(line["waited_for"] for line in lines) == waiting
    assert sum(line["bytes"] for line in lines) == facts["roofline"]["bytes_read"] + facts["roofline"]["bytes_written"]
    assert 2 * sum(line["macs"] for line in lines) == facts["roofline"]["operations"]
    for queue in facts["queues"]:
        assert sum(queue["waits_for"].values()) == queue["parts"].get("semaphore", 0)
        waited = sum(row["waited"] for row in rows if row["queue"] == queue["queue"])
        assert waited == sum(n for part, n in queue["parts"].items() if part not in (ISSUE, HALTED))


def test_a_summary_is_json(facts):
    assert json.loads(json.dumps(facts)) == json.loads(json.dumps(facts, allow_nan=False))
    assert facts["seconds"] == facts["cycles"] / facts["clock_hz"]
    assert facts["cycles"] >= max(facts["roofline"]["least_cycles"].values()) > 0


def test_a_trace_without_reasons(run):
    """As from an RTL run: nothing is split, everything still adds up."""
    bare = dataclasses.replace(run, timeline=dataclasses.replace(run.timeline, waits=[], work=[]))
    facts, split = summary(bare), summary(run)
    assert not facts["split"] and split["split"]
    for mine, known in zip(facts["queues"], split["queues"], strict=True):
        assert set(mine["parts"]) <= {ISSUE, WAIT, HALTED} and sum(mine["parts"].values()) == facts["cycles"]
        assert mine["parts"][ISSUE] == known["parts"][ISSUE] and mine["parts"].get(HALTED) == known["parts"].get(HALTED)
    for mine, known in zip(facts["engines"], split["engines"], strict=True):
        assert set(mine["parts"]) <= {BUSY, IDLE} and mine["busy"] == known["busy"]


def test_operations_and_bytes_of_a_gemm():
    facts = summary(record("gemm on small"))
    size = 4 * load_preset("small").partitions
    assert facts["roofline"]["operations"] == 2 * size**3
    assert facts["roofline"]["bytes_written"] == 4 * size * size
    assert facts["roofline"]["bytes_read"] >= 2 * 2 * size * size
    assert summary(record("copy on tiny"))["roofline"]["bytes_read"] == 2 * 12 * 40


def test_a_record_of_another_configuration():
    run = record("gemm on small")
    with pytest.raises(ProgramError, match="compiled for preset small, not tiny"):
        RunRecord(config=load_preset("tiny"), program=run.program, timeline=run.timeline)
