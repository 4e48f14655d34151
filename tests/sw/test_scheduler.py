"""Waits and signals: enough for every legal order, none that is implied, nops when two waits are too few."""

import pytest

from makalu.hw.spec.isa import Opcode, Queue
from makalu.hw.spec.sequencer import Channel
from makalu.sw import scheduler
from makalu.sw.lowering import Lowered, Region
from makalu.sw.scheduler import ScheduleError, schedule


def region(low, high=None, memory="sbuf"):
    return Region(memory, 0, 4, low, low + 1 if high is None else high)


def instruction(opcode, *, reads=(), writes=()):
    return Lowered(opcode=opcode, values={}, reads=[region(r) for r in reads], writes=[region(w) for w in writes])


LOAD, STORE, COPY, ACT = Opcode.DMA_LOAD, Opcode.DMA_STORE, Opcode.TENSOR_COPY, Opcode.ACTIVATION


def waits(i):
    return {Channel(i[f"wait{n}_semaphore"]): i[f"wait{n}_value"] for n in range(2) if i[f"wait{n}_kind"]}


def signals(i):
    return bool(i["signal0_kind"])


def test_read_after_write_across_queues():
    queues = schedule([instruction(LOAD, writes=[0]), instruction(COPY, reads=[0], writes=[1])])
    assert signals(queues[Queue.SYNC][0])
    assert waits(queues[Queue.VECTOR][0]) == {Channel.DMA_LOAD: 1}
    assert [stream[-1].opcode for stream in queues.values()] == [Opcode.HALT] * len(Queue)


def test_write_after_read_and_write_after_write():
    queues = schedule([instruction(COPY, reads=[0], writes=[1]), instruction(LOAD, writes=[0])])
    assert waits(queues[Queue.SYNC][0]) == {Channel.VECTOR: 1}
    queues = schedule([instruction(COPY, writes=[1]), instruction(ACT, writes=[1])])
    assert waits(queues[Queue.SCALAR][0]) == {Channel.VECTOR: 1}


def test_nothing_waits_without_a_dependency_or_inside_a_serial_queue():
    program = [instruction(COPY, writes=[1]), instruction(COPY, reads=[1], writes=[2]), instruction(ACT, writes=[3])]
    for stream in schedule(program).values():
        assert not any(waits(i) or signals(i) for i in stream)


def test_dma_directions_need_a_semaphore_between_them():
    queues = schedule([instruction(LOAD, writes=[0]), instruction(LOAD, writes=[0]), instruction(STORE, reads=[0])])
    first, second, _ = queues[Queue.SYNC]
    store, _ = queues[Queue.GPSIMD]
    assert not signals(first) and signals(second)
    assert waits(store) == {Channel.DMA_LOAD: 1}


def test_only_the_last_of_several_producers_is_waited_for():
    queues = schedule([instruction(LOAD, writes=[n]) for n in range(5)] + [instruction(COPY, reads=range(5))])
    assert [signals(i) for i in queues[Queue.SYNC][:5]] == [False] * 4 + [True]
    assert waits(queues[Queue.VECTOR][0]) == {Channel.DMA_LOAD: 1}


def test_waits_that_others_imply_are_dropped():
    program = [
        instruction(LOAD, writes=[0]),
        instruction(COPY, reads=[0], writes=[1]),
        instruction(ACT, reads=[0, 1], writes=[2]),
        instruction(ACT, reads=[0, 1], writes=[3]),
    ]
    scalar = schedule(program)[Queue.SCALAR]
    assert [waits(i) for i in scalar] == [{Channel.VECTOR: 1}, {}, {}]


def test_more_than_two_waits_take_nops():
    program = [
        instruction(LOAD, writes=[0]),
        instruction(COPY, writes=[1]),
        instruction(Opcode.LOAD_STATIONARY, reads=[3]),
        instruction(STORE, reads=[3]),
        instruction(ACT, reads=[0, 1], writes=[3]),
    ]
    nop, act, _ = schedule(program)[Queue.SCALAR]
    assert (nop.opcode, act.opcode) == (Opcode.NOP, ACT)
    merged = {**waits(nop), **waits(act)}
    assert merged == dict.fromkeys((Channel.TENSOR_LOAD, Channel.VECTOR, Channel.DMA_LOAD, Channel.DMA_STORE), 1)


def test_partitions_and_memories_separate_regions():
    wide = region(0, 8)
    assert not wide.touches(Region("sbuf", 4, 8, 0, 8)) and not wide.touches(Region("psum", 0, 4, 0, 8))
    assert wide.touches(Region("sbuf", 3, 5, 7, 9)) and not wide.touches(Region("sbuf", 0, 4, 8, 9))
    assert wide.covers(region(3)) and not region(3).covers(wide)


def test_counters_must_stay_within_the_window(monkeypatch):
    monkeypatch.setattr(scheduler, "_WINDOW", 4)
    program = [i for n in range(4) for i in (instruction(LOAD, writes=[n]), instruction(COPY, reads=[n]))]
    with pytest.raises(ScheduleError, match="4 signals on channel DMA_LOAD; a program may have 3"):
        schedule(program)
