"""Waits and signals: enough for every legal order, none that is implied, nops when two waits are too few."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.isa import Opcode, Queue
from makalu.spec.preset import load_preset
from makalu.sw.compile import history
from makalu.sw.compile.regions import region_of
from makalu.sw.compile.schedule import ScheduleError, schedule
from makalu.sw.compile.steps import Step

from .replay import conflicts, ordered, replay, serials, waits

TINY = load_preset("tiny")
WORD = TINY.sbuf.word_bytes
LOAD, STORE, COPY, ACT = Opcode.DMA_LOAD, Opcode.DMA_STORE, Opcode.TENSOR_COPY, Opcode.ACTIVATION
STATIONARY, MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL


def word(number):
    return region_of("sbuf", [], low=number * WORD, run=WORD, last=4)


def step(opcode, *, reads=(), writes=()):
    return Step(opcode, {}, tuple(map(word, reads)), tuple(map(word, writes)))


def by_channel(i):
    return {Channel(semaphore): value for semaphore, value in waits(i)}


def only(queues, opcode):
    return [i for stream in queues.values() for i in stream if i.opcode == opcode]


def test_read_after_write_across_queues():
    queues = schedule([step(LOAD, writes=[0]), step(COPY, reads=[0], writes=[1])], TINY)
    assert only(queues, LOAD)[0]["signal0_kind"]
    assert by_channel(only(queues, COPY)[0]) == {Channel.DMA_LOAD: 1}
    assert {stream[-1].opcode for stream in queues.values()} == {Opcode.HALT} and set(queues) == set(Queue)


def test_write_after_read_and_write_after_write():
    (load,) = only(schedule([step(COPY, reads=[0], writes=[1]), step(LOAD, writes=[0])], TINY), LOAD)
    assert by_channel(load) == {Channel.VECTOR: 1}
    (act,) = only(schedule([step(COPY, writes=[1]), step(ACT, writes=[1])], TINY), ACT)
    assert by_channel(act) == {Channel.VECTOR: 1}


def test_nothing_waits_without_a_dependency_or_inside_a_channel():
    program = [step(COPY, writes=[1]), step(COPY, reads=[1], writes=[2]), step(ACT, writes=[3])]
    for stream in schedule(program, TINY).values():
        assert not any(waits(i) or i["signal0_kind"] for i in stream)


def test_dma_directions_need_a_semaphore_between_them():
    queues = schedule([step(LOAD, writes=[0]), step(LOAD, writes=[0]), step(STORE, reads=[0])], TINY)
    assert [i["signal0_kind"] for i in only(queues, LOAD)] == [0, 1]
    assert by_channel(only(queues, STORE)[0]) == {Channel.DMA_LOAD: 1}


def test_waits_that_others_imply_are_dropped():
    program = [
        step(LOAD, writes=[0]),
        step(COPY, reads=[0], writes=[1]),
        step(ACT, reads=[0, 1], writes=[2]),
        step(ACT, reads=[0, 1], writes=[3]),
    ]
    assert [by_channel(i) for i in only(schedule(program, TINY), ACT)] == [{Channel.VECTOR: 1}, {}]


def test_more_than_two_waits_take_nops():
    program = [
        step(LOAD, writes=[0]),
        step(COPY, writes=[1]),
        step(STATIONARY, reads=[3]),
        step(STORE, reads=[3]),
        step(ACT, reads=[0, 1], writes=[3]),
    ]
    nop, act, _ = schedule(program, TINY)[Queue.SCALAR]
    assert (nop.opcode, act.opcode) == (Opcode.NOP, ACT)
    merged = {**by_channel(nop), **by_channel(act)}
    assert merged == dict.fromkeys((Channel.TENSOR_LOAD, Channel.VECTOR, Channel.DMA_LOAD, Channel.DMA_STORE), 1)


def test_memory_that_is_only_read_or_only_written_has_no_history():
    row = region_of("x", [(4, 64)], low=0, run=32)
    program = [Step(LOAD, {}, (row,), (word(n),)) for n in range(2)]
    assert "x" not in history.histories(program, TINY)
    assert not history.histories([Step(STORE, {}, (word(0),), (row,))] * 2, TINY)
    assert set(history.histories([*program, Step(STORE, {}, (word(0),), (row,))], TINY)) == {"sbuf", "x"}


def test_columns_of_memory_rows_are_apart():
    """Ragged columns of an odd row: no common unit above an element."""
    left, right = (region_of("x", [(4, 4036)], low=low, run=run) for low, run in ((0, 2048), (2048, 1988)))
    program = [Step(STORE, {}, (word(0),), (left,)), Step(LOAD, {}, (right,), (word(1),))]
    assert not waits(only(schedule(program, TINY), LOAD)[0])
    program[1] = Step(LOAD, {}, (left,), (word(1),))
    assert by_channel(only(schedule(program, TINY), LOAD)[0]) == {Channel.DMA_STORE: 1}


def test_too_many_units_are_seen_in_larger_granules(monkeypatch):
    monkeypatch.setattr(history, "_MOST_UNITS", 16)
    left, right = (region_of("x", [(4, 256)], low=low, run=run) for low, run in ((0, 96), (96, 160)))  # 32 units of 32
    program = [Step(STORE, {}, (word(0),), (left,)), Step(LOAD, {}, (right,), (word(1),))]
    assert by_channel(only(schedule(program, TINY), LOAD)[0]) == {Channel.DMA_STORE: 1}


def test_control_opcodes_are_refused_and_semaphores_counted():
    with pytest.raises(ScheduleError, match="step 0 is a nop"):
        schedule([Step(Opcode.NOP, {})], TINY)
    with pytest.raises(ValueError, match="power of two from 8"):
        schedule([], TINY, window=4)


REGION = st.builds(
    lambda memory, first, count, low, dims, run: region_of(
        memory, dims, low=200 + 4 * low, run=4 * run, first=first, last=first + count
    ),
    st.sampled_from(["sbuf", "sbuf", "psum"]),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(0, 12),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([-16, -8, 0, 4, 8, 12, 24])), max_size=2),
    st.integers(1, 4),
)
MEMORY = st.builds(
    lambda name, low, dims, run: region_of(name, dims, low=400 + low, run=run),
    st.sampled_from("xy"),
    st.integers(0, 100),
    st.lists(st.tuples(st.integers(1, 3), st.integers(-50, 60)), max_size=2),
    st.integers(1, 60),
)


@st.composite
def random_steps(draw, least=1, most=30):
    out = []
    for _ in range(draw(st.integers(least, most))):
        opcode = draw(st.sampled_from([LOAD, STORE, COPY, ACT, STATIONARY, MATMUL]))
        reads = draw(st.lists(MEMORY if opcode == LOAD else REGION, min_size=1, max_size=2))
        writes = [] if opcode == STATIONARY else [draw(MEMORY if opcode == STORE else REGION)]
        if opcode in (STATIONARY, MATMUL):  # they read SBUF and write PSUM: so the two never meet
            reads = [region_of("sbuf", [], low=r.low, run=r.run, first=r.first, last=r.last) for r in reads]
            writes = [region_of("psum", w.dims, low=w.low, run=w.run, first=w.first, last=w.last) for w in writes]
        out.append(Step(opcode, {}, tuple(reads), tuple(writes)))
    return out


@settings(max_examples=120, deadline=None)
@given(random_steps())
def test_every_conflict_is_ordered(steps):
    before = ordered(schedule(steps, TINY))
    for a, b in conflicts(steps, WORD):
        assert before(a, b)


@settings(max_examples=100, deadline=None)
@given(random_steps(most=60), st.integers(0, 1 << 20))
def test_every_conflict_is_ordered_in_epochs(steps, seed):
    """A window so small that boundaries come every second step; replayed, too, with counters that wrap in it."""
    queues = schedule(steps, TINY, window=8)
    issued, finished = replay(queues, modulus=16, seed=seed)
    keys = serials(steps)
    for a, b in conflicts(steps, WORD):
        assert finished[keys[a]] < issued[keys[b]]


@settings(max_examples=60, deadline=None)
@given(random_steps(least=10, most=20))
def test_no_wait_is_too_many(steps):
    """Without any one of its waits the program has a conflict that nothing orders."""
    queues = schedule(steps, TINY)
    pairs = list(conflicts(steps, WORD))
    if any(stride % WORD for s in steps for r in (*s.reads, *s.writes) if r.memory == "sbuf" for _, stride in r.dims):
        return  # places in a hull may be waited for without need
    for queue, stream in queues.items():
        for n, i in enumerate(stream):
            for w in range(len(waits(i))):
                values = {k: v for k, v in i.values.items() if not k.startswith(f"wait{w}_")}
                fewer = [*stream[:n], Instruction(i.opcode, values), *stream[n + 1 :]]
                before = ordered({**queues, queue: fewer})
                assert not all(before(a, b) for a, b in pairs)


def test_a_forgotten_reader_is_seen(monkeypatch):
    monkeypatch.setattr(history.History, "read", lambda *_: None)
    steps = [step(COPY, reads=[0], writes=[1]), step(LOAD, writes=[0])]
    before = ordered(schedule(steps, TINY))
    assert not all(before(a, b) for a, b in conflicts(steps, WORD))
