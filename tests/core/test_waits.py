"""Every cycle of a queue and of an engine has one reason, in the timing model of whole programs."""

import dataclasses
from collections import defaultdict

import pytest

from makalu.examples.copy.copy import copy
from makalu.examples.gemm.gemm import gemm
from makalu.sim_models.timing.dma_load import LoadTrack
from makalu.sim_models.timing.dma_store import StoreTrack
from makalu.sim_models.timing.fetch import FixedInstructionPort
from makalu.sim_models.timing.handshakes import Handshakes
from makalu.sim_models.timing.lanes import LanesTiming
from makalu.sim_models.timing.sequencer import SequencerTiming
from makalu.sim_models.timing.waits import Cause, EngineWork, Hold, WaitLog, share_out
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel, finish_depth
from makalu.spec.formats import FP32
from makalu.spec.isa import QUEUES, Opcode, Queue, Space
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.sequencer import CHANNEL_OF
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.random_programs.program import random_program
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


def check_queues(timeline):
    start = timeline.start
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


def check_engines(program, timeline):
    finished = {(e.where, e.index): e.cycle for e in timeline.finishes}
    busy, shared = defaultdict(set), defaultdict(int)
    executed = {queue: list(stream) for queue, stream in program.executed().items()}
    for event in timeline.issues:
        channel = CHANNEL_OF.get(executed[event.where][event.index].opcode)
        if channel is not None:
            busy[channel] |= set(range(event.cycle + 1, finished[channel, event.index] + 1))
    for work in timeline.work:
        assert work.moved > 0 and all(cycles > 0 for cycles in work.holds.values()), work
        shared[work.channel] += work.cycles
    assert shared == {channel: len(cycles) for channel, cycles in busy.items()}


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("start", [0, 13])
def test_a_queue_issues_or_waits_or_has_ended(name, memory, start):
    check_queues(predict(PROGRAMS[name], TINY, MEMORIES[memory], start=start))


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_work_of_a_channel_is_its_busy_cycles(name, memory):
    check_engines(PROGRAMS[name], predict(PROGRAMS[name], TINY, MEMORIES[memory]))


def record_of(program, memory, monkeypatch):
    """Handshakes as `memory` would leave them: what the models of the contract `fixed` decide."""
    cycles = {name: [] for name in ("iar", "ir", "r", "b")}

    def noted(owner, method, note):
        original = getattr(owner, method)

        def wrapped(self, *arguments):
            before = self._answers[-1] if owner is StoreTrack else None
            result = original(self, *arguments)
            note(self, before, result)
            return result

        monkeypatch.setattr(owner, method, wrapped)

    def answered(track, before, _):
        if track._answers[-1] != before:
            cycles["b"].append(track._answers[-1])

    def fetched(port, _, burst):
        cycles["iar"].append(burst[0])
        cycles["ir"].append(burst[1])

    noted(LoadTrack, "offer", lambda track, before, result: cycles["r"].append(track._taken))
    noted(StoreTrack, "offer", answered)
    noted(FixedInstructionPort, "burst", fetched)
    predict(program, TINY, memory)
    monkeypatch.undo()
    return Handshakes(cycles, cycles["ir"])


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_replayed_run_is_the_same_with_less_detail(name, monkeypatch):
    program = PROGRAMS[name]
    known = predict(program, TINY)
    replayed = predict(program, TINY, record_of(program, BASE, monkeypatch))
    assert (replayed.issues, replayed.finishes, replayed.waits) == (known.issues, known.finishes, known.waits)
    check_queues(replayed)
    check_engines(program, replayed)
    dma = [work for work in replayed.work if work.channel in (Channel.DMA_LOAD, Channel.DMA_STORE)]
    assert any(Hold.MEMORY in work.holds for work in dma)
    assert not any({Hold.LATENCY, Hold.BANDWIDTH} & work.holds.keys() for work in dma)


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


def test_an_owned_bank_is_the_reason():
    """The tensor engine keeps the bank for 300 cycles: the engine asks all the time, and is held as much longer."""
    ones = {f"{slot}_size{d}": 1 for slot in ("dst", "src0") for d in range(4)}
    values = {**ones, "partitions": 4, "src0_size0": 4, "dst_size0": 4, "src0_stride0": 1, "dst_stride0": 1}
    values |= {f"{slot}_dtype": FP32.code for slot in ("dst", "src0")} | {"src0_space": Space.PSUM, "dst_space": 1}
    notes = []
    for until in (0, 300):
        lanes = LanesTiming(TINY, owned=lambda first, last, until=until: int(first < until))
        lanes.engines["vector"].issue(0, Instruction(Opcode.TENSOR_COPY, values))
        lanes.engines["vector"].advance(lanes.engines["vector"].next_event())
        notes += lanes.engines["vector"].work_of(Channel.VECTOR)
    free, held_up = notes
    assert not any(free.holds.values())
    assert held_up.holds[Hold.PSUM] > 290 and held_up.last - free.last >= 290
    assert abs(held_up.moved - free.moved) <= TINY.vector.ratio.denominator


class Slow:
    """An engine that accepts everything at once and takes 50 cycles a command, one behind the other."""

    def __init__(self):
        self.due = []

    def next_accept(self, t, instruction):
        return t

    def issue(self, t, instruction):
        self.due.append((self.due[-1] if self.due else t) + 50)

    def next_event(self):
        return self.due[0] if self.due else None

    def advance(self, t):
        ready = [cycle for cycle in self.due if cycle <= t]
        self.due = self.due[len(ready) :]
        return [(cycle, "vector") for cycle in ready]


def test_a_full_channel_is_the_reason():
    """Two are unfinished: the third issues in the cycle after the first finish, and so on."""
    port = FixedInstructionPort(config=TINY, timing=BASE)
    words = [Instruction(Opcode.TENSOR_COPY)] * 5 + [Instruction(Opcode.HALT)]
    engine = Slow()
    model = SequencerTiming(
        config=TINY, streams={Queue.VECTOR: words}, port=port, engines={channel: engine for channel in Channel}
    )
    end = model.run()
    issues = [event.cycle for event in model.issues if event.queue is Queue.VECTOR]
    (log,) = (queue.log for queue in model.queues if queue.queue is Queue.VECTOR)
    full = {wait.index: wait.first + wait.cycles for wait in log.waits if wait.cause is Cause.DEPTH}
    assert finish_depth(TINY, Channel.VECTOR) == 2
    assert full == {n: model.finishes[n - 2].cycle + 1 for n in (2, 3, 4)} == {n: issues[n] for n in full}
    assert sum(wait.cycles for wait in log.waits) + len(words) == end


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
