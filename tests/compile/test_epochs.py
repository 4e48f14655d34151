"""Programs longer than the counters: boundaries keep every wait within its window, on golden and in a replay."""

import random

import numpy as np
import pytest

from makalu.sim_models.golden import machine
from makalu.sim_models.golden.machine import Machine
from makalu.spec.formats import BF16, FP32
from makalu.spec.isa import Function, Opcode, Space
from makalu.spec.preset import load_preset
from makalu.sw.compile import epochs, history, schedule
from makalu.sw.compile.program import BASE, assemble
from makalu.sw.compile.regions import region_of
from makalu.sw.compile.schedule import ScheduleError
from makalu.sw.compile.steps import Step

from .replay import Stuck, replay, serials, waits

TINY = load_preset("tiny")
WORD, LANES = TINY.sbuf.word_bytes, TINY.partitions
LOAD, STORE, COPY, ACT = Opcode.DMA_LOAD, Opcode.DMA_STORE, Opcode.TENSOR_COPY, Opcode.ACTIVATION
SLOTS, SLOT = 6, 32
"""Pieces of SBUF, PSUM and memory that a random program uses, and bytes of each."""
ROW = SLOTS * SLOT
DATA, IMAGE = 1 << 18, 1 << 19


def operand(slot, space, offset, *, elements, dtype=FP32):
    values = {f"{slot}_space": int(space), f"{slot}_dtype": dtype.code, f"{slot}_offset": offset}
    values |= {f"{slot}_size{d}": 1 for d in range(1, 4)}
    return {**values, f"{slot}_size0": elements, f"{slot}_stride0": 1}


def place(space, offset, run):
    return region_of(space.name.lower(), [], low=offset, run=run, last=LANES)


def dma(opcode, offset, memory, *, run=SLOT):
    """All partitions of [offset, offset + run) in SBUF and rows of memory."""
    tile, rows = place(Space.SBUF, offset, run), region_of("x", [(LANES, ROW)], low=memory, run=run)
    values = operand("dst" if opcode == LOAD else "src0", Space.SBUF, offset, elements=run // 4)
    values |= {"partitions": LANES, "address": DATA + memory, "memory_stride0": 4, "memory_stride4": ROW}
    return Step(opcode, values, (rows,), (tile,)) if opcode == LOAD else Step(opcode, values, (tile,), (rows,))


def elementwise(opcode, target, space, source, elements=SLOT // 4):
    values = operand("dst", Space.SBUF, target, elements=elements) | operand("src0", space, source, elements=elements)
    values |= {"partitions": LANES}
    if opcode == ACT:
        values |= {"function": int(Function.RELU), "immediate0": 0x3F800000}
    reads = (place(space, source, 4 * elements),)
    return Step(opcode, values, reads, (place(Space.SBUF, target, 4 * elements),))


def stationary(source):
    values = operand("src0", Space.SBUF, source, elements=LANES, dtype=BF16) | {"partitions": LANES}
    return Step(Opcode.LOAD_STATIONARY, values, (place(Space.SBUF, source, 2 * LANES),))


def matmul(target, source, *, accumulate, elements=SLOT // 4):
    values = operand("dst", Space.PSUM, target, elements=elements)
    values |= operand("src0", Space.SBUF, source, elements=elements, dtype=BF16)
    values |= {"partitions": LANES, "columns": LANES, "accumulate": int(accumulate)}
    sums = place(Space.PSUM, target, 4 * elements)
    reads = (place(Space.SBUF, source, 2 * elements), *([sums] if accumulate else []))
    return Step(Opcode.MATMUL, values, reads, (sums,))


def random_program(rng, length):
    """Everything is written once, then read and written at random; some queue rests for a long time."""
    steps = [dma(LOAD, 0, 0, run=ROW), stationary(0)]
    steps += [matmul(slot * SLOT, 0, accumulate=False) for slot in range(SLOTS)]
    rests, left = 5, 0
    while len(steps) < length:
        if left == 0:
            rests, left = rng.randrange(6), rng.choice([5, 20, 60])
        left -= 1
        kind = rng.choice([k for k in range(6) if k != rests])
        one, other = (rng.randrange(SLOTS) * SLOT + rng.choice([0, 0, 0, 8]) for _ in range(2))
        run = SLOT - 8
        if kind == 0:
            steps.append(matmul(one, other, accumulate=rng.random() < 0.5, elements=run // 4))
        elif kind == 1:
            steps.append(stationary(one))
        elif kind in (2, 3):
            space = rng.choice([Space.SBUF, Space.PSUM])
            steps.append(elementwise((COPY, ACT)[kind - 2], one, space, one if rng.random() < 0.2 else other, run // 4))
        else:
            steps.append(dma((LOAD, STORE)[kind - 4], one, other, run=run))
    # an elementwise source that overlaps its destination in part leaves open what is read
    return [s for s in steps if s.opcode not in (COPY, ACT) or not _shifted(s)]


def _shifted(s):
    (r,), (w,) = s.reads, s.writes
    return r.memory == w.memory and r.low != w.low and r.low < w.high and w.low < r.high


def image(queues, rng):
    memory = np.zeros(IMAGE, np.uint8)
    values = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(LANES * ROW // 4).astype(np.float32)
    memory[DATA : DATA + LANES * ROW] = values.view(np.uint8)
    starts, at = {}, BASE
    for queue, stream in assemble(queues).items():
        starts[queue] = at
        memory[at : at + len(stream)] = np.frombuffer(stream, np.uint8)
        at += len(stream)
    assert at <= DATA
    return memory, starts


@pytest.fixture
def small_window(monkeypatch):
    """Golden compares modulo twice this."""
    monkeypatch.setattr(machine, "_HALF", 16)
    monkeypatch.setattr(machine, "_VALUE_MASK", 31)
    return 16


@pytest.mark.parametrize("seed", range(4))
def test_random_orders_give_the_same_memory(small_window, seed):
    rng = random.Random(seed)
    steps = random_program(rng, 300)
    queues = schedule.schedule(steps, TINY, window=small_window)
    assert all(value < 32 for stream in queues.values() for i in stream for _, value in waits(i))
    memory, starts = image(queues, rng)
    expected = Machine(TINY).run(memory, starts)
    assert len(expected.executed) > len(steps) + 200  # boundaries
    for order in range(5):
        got = Machine(TINY).run(memory, starts, seed=order)
        for name in ("memory", "sbuf", "psum"):
            assert np.array_equal(getattr(got, name), getattr(expected, name))


def test_golden_sees_a_forgotten_reader(small_window, monkeypatch):
    monkeypatch.setattr(history.History, "read", lambda *_: None)
    rng = random.Random(0)
    queues = schedule.schedule(random_program(rng, 100), TINY, window=small_window)
    memory, starts = image(queues, rng)
    expected = Machine(TINY, strict=False).run(memory, starts).memory
    results = [Machine(TINY, strict=False).run(memory, starts, seed=order) for order in range(5)]
    assert any(r.findings or not np.array_equal(r.memory, expected) for r in results)


def ring(length, slots=4):
    """Every instruction of two queues signals; a third rests but for its first and its last step."""

    def word(n):
        return region_of("sbuf", [], low=n * WORD, run=WORD)

    steps = [Step(ACT, {}, (), (word(0),))]
    for n in range(length // 2):
        steps.append(Step(LOAD, {}, (), (word(n % slots),)))
        steps.append(Step(COPY, {}, (word(n % slots),), (word(slots + n % slots),)))
    return [*steps, Step(ACT, {}, (word(slots),), (word(0),))]


def check_ring(steps, queues, *, modulus, seed, slots=4):
    issued, finished = replay(queues, modulus=modulus, seed=seed)
    keys = serials(steps)
    for n in range(1, len(steps) - 1, 2):
        assert finished[keys[n]] < issued[keys[n + 1]]
        if n + 2 * slots < len(steps) - 1:
            assert finished[keys[n + 1]] < issued[keys[n + 2 * slots]]
    assert finished[keys[0]] < issued[keys[1]] and finished[keys[-2 - 2 * (slots - 1)]] < issued[keys[-1]]


@pytest.mark.parametrize("seed", range(20))
def test_counters_wrap_often(seed):
    steps = ring(2000)
    check_ring(steps, schedule.schedule(steps, TINY, window=16), modulus=32, seed=seed)


def failures(steps, **arguments):
    """Of 20 replays of a wrong schedule, those in which an order is broken or nothing can go on."""
    queues = schedule.schedule(steps, TINY, window=16)
    count = 0
    for seed in range(20):
        try:
            check_ring(steps, queues, modulus=32, seed=seed, **arguments)
        except (AssertionError, Stuck):
            count += 1
    return count


def change(monkeypatch, new):
    """Boundaries altered by `new(boundary, epoch)`."""
    original = epochs.Epochs.before

    def before(self, position, knowledge):
        for boundary in original(self, position, knowledge):
            yield new(boundary, position // self._length)

    monkeypatch.setattr(epochs.Epochs, "before", before)


def test_no_boundary_at_all_is_seen(monkeypatch):
    monkeypatch.setattr(epochs.Epochs, "before", lambda *_: iter(()))
    assert failures(ring(400, slots=40), slots=40)


def test_epochs_that_are_too_long_are_seen(monkeypatch):
    monkeypatch.setattr(epochs, "_EPOCHS", 1)
    assert failures(ring(400, slots=40), slots=40)


def test_a_boundary_that_does_not_wait_for_the_others_is_seen(monkeypatch):
    change(monkeypatch, lambda b, _: epochs.Boundary(b.queue, b.own, 0, b.learned))
    assert failures(ring(400, slots=40), slots=40)


def test_a_boundary_that_claims_an_epoch_too_much_is_seen(monkeypatch):
    """It drops waits for what has not finished."""

    def greedy(b, epoch):
        learned = [4 * epoch] * len(b.learned)
        return epochs.Boundary(b.queue, b.own, b.marks, tuple(learned))

    change(monkeypatch, greedy)
    assert failures(ring(400))


def test_short_programs_have_no_boundaries():
    queues = schedule.schedule(ring(30), TINY, window=16)
    assert not any(i.opcode == Opcode.NOP for stream in queues.values() for i in stream)
    queues = schedule.schedule(ring(32), TINY, window=16)
    assert {q for q, stream in queues.items() for i in stream if i.opcode == Opcode.NOP} == {s.queue for s in ring(32)}


def test_the_barrier_needs_a_semaphore(monkeypatch):
    monkeypatch.setattr(schedule, "BARRIER", TINY.sequencer.semaphores)
    with pytest.raises(ScheduleError, match="needs 17 semaphores, not 16"):
        schedule.schedule(ring(32), TINY, window=16)
