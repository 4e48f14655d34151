"""Every cycle of a queue and of an engine has one reason, in the timing model of whole programs."""

import dataclasses
from collections import defaultdict

import pytest

from examples.copy.copy import copy
from examples.gemm.gemm import gemm
from makalu.hw.spec.encoding import Instruction, decode
from makalu.hw.spec.formats import FP32
from makalu.hw.spec.isa import INSTRUCTION_BYTES, QUEUES, Opcode, Queue, Space
from makalu.hw.spec.memory import MemoryTiming
from makalu.hw.spec.preset import load_preset
from makalu.hw.spec.sequencer import CHANNEL_OF, Channel
from makalu.sim_models.timing.dma import DmaTiming
from makalu.sim_models.timing.handshakes import Handshakes
from makalu.sim_models.timing.lanes import LanesTiming
from makalu.sim_models.timing.waits import Cause, EngineWork, Hold, WaitLog, share_out
from makalu.sw.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.recording import TensorSpec
from makalu.sw.random_program import random_program
from makalu.sw.timing import predict

TINY = load_preset("tiny")
SPEC = TensorSpec((12, 20), nl.bfloat16)


def programs():
    yield "gemm", compile_kernel(gemm, TINY, a=SPEC, b=SPEC)
    yield "resident", compile_kernel(gemm, TINY, a=SPEC, b=SPEC, resident=True)
    yield "copy", compile_kernel(copy, TINY, x=SPEC, columns=4)
    for seed in range(6):
        yield f"random {seed}", random_program(TINY, seed=seed, instructions=60).program


PROGRAMS = dict(programs())
BASE = MemoryTiming.of(TINY.memory)
MEMORIES = {
    "preset": BASE,
    "far": dataclasses.replace(BASE, latency=400, outstanding_reads=1, outstanding_writes=1),
    "narrow": dataclasses.replace(BASE, latency=3, denominator=11),
}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("start", [0, 13])
def test_a_queue_issues_or_waits_or_has_ended(name, memory, start):
    timeline = predict(PROGRAMS[name], TINY, MEMORIES[memory], start=start)
    for queue in QUEUES:
        states = ["ended"] * timeline.cycles
        issues = [e.cycle - start for e in timeline.issues if e.where == queue]
        states[: issues[-1] + 1] = [None] * (issues[-1] + 1)
        for wait in (w for w in timeline.waits if w.queue == queue):
            assert wait.cycles > 0 and wait.first + wait.cycles <= issues[wait.index] + start
            assert (wait.semaphore is not None) == (wait.cause is Cause.SEMAPHORE)
            for t in range(wait.first - start, wait.first - start + wait.cycles):
                assert states[t] is None
                states[t] = wait.cause
        assert [t for t, state in enumerate(states) if state is None] == issues


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_work_of_a_channel_is_its_busy_cycles(name, memory):
    program = PROGRAMS[name]
    timeline = predict(program, TINY, MEMORIES[memory])
    finished = {(e.where, e.index): e.cycle for e in timeline.finishes}
    busy, shared = defaultdict(set), defaultdict(int)
    for event in timeline.issues:
        at = event.index * INSTRUCTION_BYTES
        channel = CHANNEL_OF.get(decode(program.streams[event.where][at : at + INSTRUCTION_BYTES]).opcode)
        if channel is not None:
            busy[channel] |= set(range(event.cycle + 1, finished[channel, event.index] + 1))
    for work in timeline.work:
        assert work.moved > 0 and all(cycles > 0 for cycles in work.holds.values()), work
        shared[work.channel] += work.cycles
    assert shared == {channel: len(cycles) for channel, cycles in busy.items()}


def held(name, memory, channel, hold):
    work = predict(PROGRAMS[name], TINY, memory).work
    return sum(w.holds.get(hold, 0) for w in work if w.channel is channel)


@pytest.mark.parametrize("channel", [Channel.DMA_LOAD, Channel.DMA_STORE])
def test_memory_causes_follow_the_memory(channel):
    """More latency is counted as latency, less bandwidth as bandwidth."""
    far = dataclasses.replace(BASE, latency=BASE.latency + 100)
    narrow = dataclasses.replace(BASE, numerator=1, denominator=10)
    latency, bandwidth = (held("copy", BASE, channel, h) for h in (Hold.LATENCY, Hold.BANDWIDTH))
    assert held("copy", far, channel, Hold.LATENCY) >= latency + 100
    assert held("copy", narrow, channel, Hold.BANDWIDTH) >= bandwidth + 1000


def test_a_replayed_memory_does_not_say_why_it_was_late():
    timing = DmaTiming(TINY, Handshakes({"r": list(range(200, 300)), "b": list(range(400, 500))}, []))
    for face, opcode, slot in ((timing.load, Opcode.DMA_LOAD, "dst"), (timing.store, Opcode.DMA_STORE, "src0")):
        one = {f"{slot}_size{d}": 1 for d in range(4)} | {f"{slot}_dtype": FP32.code, "partitions": 1}
        face.issue(5, Instruction(opcode, one))
        (work,) = face.work
        assert set(work.holds) <= {Hold.MEMORY, Hold.BANDWIDTH, Hold.SBUF}
        assert work.moved + sum(work.holds.values()) == work.last - 5 and work.holds[Hold.MEMORY] > 100


def test_an_owned_bank_is_the_reason():
    """The tensor engine keeps the bank for 300 cycles: the engine asks all the time, and is held as much longer."""
    ones = {f"{slot}_size{d}": 1 for slot in ("dst", "src0") for d in range(4)}
    values = {**ones, "partitions": 4, "src0_size0": 4, "dst_size0": 4, "src0_stride0": 1, "dst_stride0": 1}
    values |= {f"{slot}_dtype": FP32.code for slot in ("dst", "src0")} | {"src0_space": Space.PSUM, "dst_space": 1}
    notes = []
    for until in (0, 300):
        lanes = LanesTiming(TINY, owned=lambda first, last, until=until: int(first < until))
        lanes.vector.issue(0, Instruction(Opcode.TENSOR_COPY, values))
        lanes.vector.advance(lanes.vector.next_event())
        notes += lanes.vector.work
    free, held_up = notes
    assert not any(free.holds.values())
    assert held_up.holds[Hold.PSUM] > 290 and held_up.last - free.last >= 290
    assert abs(held_up.moved - free.moved) <= TINY.vector.ratio.denominator


def test_two_semaphores_are_one_wait_for_the_later():
    log = WaitLog(Queue.VECTOR)
    log.see(3, Cause.FETCH)
    log.see(5, Cause.SEMAPHORE, 1)
    log.see(9, Cause.SEMAPHORE, 2)
    log.see(11, Cause.ENGINE)
    log.issue(12, 7)
    found = [(w.first, w.cycles, w.cause, w.semaphore) for w in sorted(log.waits, key=lambda w: w.first)]
    expected = [(3, 2, Cause.FETCH, None), (5, 6, Cause.SEMAPHORE, 2), (11, 1, Cause.ENGINE, None)]
    assert found == expected and {w.index for w in log.waits} == {7}


def test_a_tail_ends_where_the_next_is_issued():
    notes = [EngineWork(10, 4, {Hold.START: 5}), EngineWork(20, 8, {}, Hold.LATENCY)]
    first, second = share_out(Channel.MATMUL, [(1, Queue.TENSOR, 0), (12, Queue.TENSOR, 1)], [30, 40], notes)
    assert first.holds == {Hold.START: 5, Hold.PIPELINE: 2} and first.cycles == 11
    assert second.holds == {Hold.LATENCY: 20} and second.cycles == 28
