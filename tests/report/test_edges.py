"""Whom each instruction waited for, against a replay of the semaphores cycle by cycle."""

import dataclasses

import pytest

from makalu.sim_models.timing.waits import Cause, Wait
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.isa import Opcode, Queue
from makalu.sw.report.edges import edges_of, source_of, waited_for
from makalu.sw.report.rows import rows_of

from .runs import NAMES, record


def replayed(rows):
    """(source, target, semaphore) of every wait that is not met from the start."""
    counts, found = {}, set()
    pending = {(row.key, n): row for row in rows for n in range(2) if row.instruction[f"wait{n}_kind"]}

    def look(source):
        for (key, n), row in list(pending.items()):
            semaphore = row.instruction[f"wait{n}_semaphore"]
            if counts.get(semaphore, 0) >= row.instruction[f"wait{n}_value"]:
                del pending[key, n]
                if source is not None:
                    found.add((source.key, key, semaphore))

    look(None)
    for row in sorted(rows, key=lambda r: r.finish):
        for n in range(2):
            if row.instruction[f"signal{n}_kind"]:
                semaphore = row.instruction[f"signal{n}_semaphore"]
                counts[semaphore] = counts.get(semaphore, 0) + 1
                look(row)
    assert not pending
    return found


@pytest.mark.parametrize("name", NAMES)
def test_edges_are_those_of_a_replay(name):
    rows = rows_of(record(name))
    edges = edges_of(rows)
    assert edges
    assert {(e.source.key, e.target.key, e.semaphore) for e in edges} == replayed(rows)
    for edge in edges:
        assert edge.released == edge.source.finish < edge.target.issue
        # what the scheduler writes: a channel's semaphore has its number
        assert edge.source.channel == Channel(edge.semaphore)


@pytest.mark.parametrize("name", NAMES)
def test_a_wait_ends_when_its_source_finishes(name):
    """The last cycle of a wait for a semaphore is that of the finish; it shows one cycle later."""
    rows = rows_of(record(name))
    sources = waited_for(edges_of(rows))
    waits = [wait for row in rows for wait in row.waits if wait.cause is Cause.SEMAPHORE]
    assert waits
    for wait in waits:
        assert source_of(wait, sources).finish == wait.first + wait.cycles - 1


def test_a_counter_beyond_its_field():
    """70,000 signals: a wait compares 16 bits."""
    signal = Instruction(Opcode.NOP, {"signal0_kind": 1, "signal0_semaphore": 3})
    wait = Instruction(Opcode.NOP, {"wait0_kind": 1, "wait0_semaphore": 3, "wait0_value": 69_990 % (1 << 16)})
    base = rows_of(record("copy on tiny"))[0]
    rows = [
        dataclasses.replace(base, queue=Queue.VECTOR, index=n, issue=n, finish=n, instruction=signal)
        for n in range(70_000)
    ]
    rows.append(dataclasses.replace(base, queue=Queue.SCALAR, index=0, issue=80_000, finish=80_000, instruction=wait))
    (edge,) = edges_of(rows)
    assert edge.source.index == 69_989


def test_of_two_waits_for_one_semaphore_the_later_counts():
    base = rows_of(record("copy on tiny"))[0]
    signal = Instruction(Opcode.NOP, {"signal0_kind": 1, "signal0_semaphore": 3})
    both = {f"wait{n}_{part}": value for n in (0, 1) for part, value in (("kind", 1), ("semaphore", 3))}
    wait = Instruction(Opcode.NOP, {**both, "wait0_value": 2, "wait1_value": 1})
    rows = [
        dataclasses.replace(base, queue=Queue.VECTOR, index=n, issue=10 * n, finish=10 * n, instruction=signal)
        for n in range(2)
    ]
    rows.append(dataclasses.replace(base, queue=Queue.SCALAR, index=0, issue=11, finish=11, instruction=wait))
    edges = edges_of(rows)
    assert [edge.source.index for edge in edges] == [1, 0]
    reason = Wait(Queue.SCALAR, 0, Cause.SEMAPHORE, 3, 0, 11)
    assert source_of(reason, waited_for(edges)).index == 1
    assert source_of(dataclasses.replace(reason, index=5), waited_for(edges)) is None


def test_a_call_of_the_kernel_names_its_instructions():
    run = record("copy on tiny")
    lines = tuple(dataclasses.replace(line, sites=("/far/k.py:3",), call="nl.load") for line in run.program.lines)
    named = dataclasses.replace(run, program=dataclasses.replace(run.program, lines=lines))
    assert {row.name for row in rows_of(named)} == {"k.py:3 nl.load", "halt"}
    assert {row.name for row in rows_of(run)} == {"copy.py:19 nisa.dma_copy", "copy.py:28 nisa.dma_copy", "halt"}
    loaded = dataclasses.replace(run, program=dataclasses.replace(run.program, origins={}))
    assert {row.name for row in rows_of(loaded)} == {"dma_load", "dma_store", "halt"}
