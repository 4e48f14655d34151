"""The timing model's issue and finish cycles are those of the lockstep model, which are those of the RTL."""

import random
from collections import deque

import numpy as np
import pytest

from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.sim_models.lockstep.sequencer import SequencerModel
from makalu.sim_models.timing.fetch import FixedInstructionPort, RecordedInstructionPort
from makalu.sim_models.timing.sequencer import SequencerTiming
from makalu.spec.encoding import Instruction, decode
from makalu.spec.engines import CHANNELS, STREAMS, Channel
from makalu.spec.isa import INSTRUCTION_BYTES, Opcode, Queue, SignalKind, WaitKind
from makalu.spec.memory import MemoryTiming
from makalu.spec.preset import load_preset
from makalu.spec.registers import START
from makalu.spec.sequencer import CHANNEL_OF, DECODE_CYCLES, DECODED_INSTRUCTIONS
from verif.sequencer.programs import random_programs

BASE, SPACING = 0x1000, 0x4000
SIZE = BASE + (len(Queue) + 1) * SPACING


class StubEngine:
    """Accepts a load in slot 3 only and one instruction in `period` cycles; finishes each channel in order."""

    def __init__(self, period, longest):
        self.period, self.longest, self.free = period, longest, 0
        self.work = deque()
        self.ends = {}

    def next_accept(self, t, instruction):
        t = max(t, self.free)
        return t + (3 - t) % 4 if instruction.opcode is Opcode.LOAD_STATIONARY else t

    def issue(self, t, instruction):
        assert self.next_accept(t, instruction) == t
        channel = CHANNEL_OF[instruction.opcode].name.lower()
        self.free = t + 1 + instruction["tag"] % self.period
        end = max(t + 1 + instruction["tag"] % self.longest, self.ends.get(channel, 0) + 1)
        self.ends[channel] = end
        self.work.append((end, channel))

    def next_event(self):
        return min(self.work)[0] if self.work else None

    def advance(self, t):
        done = sorted(w for w in self.work if w[0] <= t)
        self.work = deque(w for w in self.work if w[0] > t)
        return done


def engines(period, longest):
    stubs = {name: StubEngine(period, longest) for name in STREAMS}
    return {channel: stubs[row.stream] for channel, row in CHANNELS.items()}


def lockstep(config, programs, timing, stubs):
    """Issue and finish cycles of the lockstep model, and the record of its instruction port; cycle 0: queues run."""
    memory = np.zeros(SIZE, np.uint8)
    words, starts = programs.image(BASE, SPACING)
    for address, word in words.items():
        memory[address : address + INSTRUCTION_BYTES] = np.frombuffer(word, np.uint8)
    port = FixedMemory(memory=memory, timing=timing, data_bytes=8, instruction_bytes=config.bus.instruction_bytes)
    model = SequencerModel(config)
    for queue, address in starts.items():
        model.port.stored[f"{queue.name.lower()}_address_low"] = address
    model.port.stored["enable"] = sum(1 << queue for queue in starts)
    ports = [port for row in CHANNELS.values() for port in (row.finish, row.error) if port]
    idle = dict.fromkeys([*(f"{s}__ready" for s in STREAMS), *ports], 0)
    idle |= dict.fromkeys(["active", "stalled"], 0)
    idle |= {f"control__{p}": 0 for p in ("aw__valid", "aw__addr", "w__valid", "w__data", "w__strb", "b__ready")}
    idle |= {f"control__{p}": 0 for p in ("ar__valid", "ar__addr", "r__ready")}
    idle |= {f"data__{p}": 0 for p in ("ar__valid", "aw__valid", "w__valid", "r__ready", "b__ready")}
    issues, finishes, record, heads = [], [], [], []
    t, zero = 0, None
    while zero is None or model.any_running():
        now = t - zero if zero is not None else -1
        bus = {"instructions__r__ready": 1} | {name: int(value or 0) for name, value in model.fetch.comb().items()}
        inputs = idle | port.comb(idle | bus)
        if t == 0:
            inputs |= {"control__aw__valid": 1, "control__w__valid": 1, "control__w__strb": 15}
            inputs |= {"control__aw__addr": 8, "control__w__data": START}
        for channel, name in sorted({(c, n) for e in set(stubs.values()) for c, n in e.advance(now)}):
            assert channel == now
            inputs[CHANNELS[Channel[name.upper()]].finish] = 1
        out = model.comb(inputs)
        for stream in STREAMS:
            if out[f"{stream}__valid"]:
                instruction = decode(int(out[f"{stream}__payload"]).to_bytes(INSTRUCTION_BYTES, "little"))
                engine = stubs[CHANNEL_OF[instruction.opcode]]
                if engine.next_accept(now, instruction) == now:
                    inputs[f"{stream}__ready"] = 1
                    engine.issue(now, instruction)
        out = model.comb(inputs)
        for trace, list_ in (("trace_issue", issues), ("trace_finish", finishes)):
            for n in range(6):
                item = out[trace] >> (17 * n) & 0x1FFFF
                if item & 1:
                    list_.append((now, n, item >> 1))
        if out["instructions__ar__valid"] and inputs["instructions__ar__ready"]:
            heads.append(now)
        if inputs["instructions__r__valid"] and inputs["instructions__r__last"]:
            record.append((heads[len(record)], now))
        model.tick(inputs)
        port.tick(inputs | bus)
        if zero is None and model.any_running():
            zero = t + 1
        t += 1
    return issues, finishes, record, t - zero


def predicted(config, programs, port, stubs):
    streams = {queue: map(decode, words) for queue, words in programs.words.items()}
    model = SequencerTiming(config=config, streams=streams, port=port, engines=stubs)
    end = model.run()
    issues = [(e.cycle, int(e.queue), e.tag) for e in model.issues]
    return issues, sorted((e.cycle, int(e.channel), e.tag) for e in model.finishes), end


@pytest.mark.parametrize("preset", ["tiny", "trn2-mini"])
@pytest.mark.parametrize("latency", [0, 7, 120])
@pytest.mark.parametrize(("period", "longest"), [(1, 1), (4, 30), (60, 300)])
def test_timing_equals_lockstep(preset, latency, period, longest):
    config = load_preset(preset)
    rng = random.Random(f"{preset} {latency} {period}")
    programs = random_programs(rng, config, 120)
    timing = MemoryTiming(latency=latency, numerator=8, outstanding_instructions=rng.choice((1, 3, 16)))
    issues, finishes, record, end = lockstep(config, programs, timing, engines(period, longest))
    assert len(issues) == sum(len(words) for words in programs.words.values())
    fixed = FixedInstructionPort(config=config, timing=timing)
    assert predicted(config, programs, fixed, engines(period, longest)) == (issues, finishes, end)
    # what is requested beyond the halts may still be open when the last queue stops
    record += [(end + n, end + 1000 + n) for n in range(100)]
    recorded = RecordedInstructionPort(record)
    assert predicted(config, programs, recorded, engines(period, longest)) == (issues, finishes, end)


def _program(*words):
    return {Queue.VECTOR: [*(Instruction(Opcode.NOP, w) for w in words), Instruction(Opcode.HALT)]}


def test_a_wait_for_ever_is_named():
    config = load_preset("tiny")
    port = FixedInstructionPort(config=config, timing=MemoryTiming(numerator=8))
    words = _program({}, {"wait0_kind": WaitKind.REACHED, "wait0_value": 2, "signal0_kind": SignalKind.INCREMENT})
    model = SequencerTiming(config=config, streams=words, port=port, engines=engines(1, 1))
    with pytest.raises(TimeoutError, match="nothing happens after cycle .*'vector': 1"):
        model.run()


@pytest.mark.parametrize("words", [[], [Instruction(Opcode.NOP)]])
def test_a_stream_without_a_halt_is_named(words):
    config = load_preset("tiny")
    port = FixedInstructionPort(config=config, timing=MemoryTiming(numerator=8))
    model = SequencerTiming(config=config, streams={Queue.VECTOR: words}, port=port, engines=engines(1, 1))
    with pytest.raises(ValueError, match="what vector executes must end with halt"):
        model.run()


def test_a_stream_is_read_as_it_is_executed():
    """A loop has no list of its instructions: what is taken early fits in the prefetch buffer and the decoder."""
    config = load_preset("tiny")
    ahead = []

    def loop():
        for n in range(1000):
            ahead.append(n - len(model.issues))
            yield Instruction(Opcode.NOP, {"tag": n})
        yield Instruction(Opcode.HALT)

    port = FixedInstructionPort(config=config, timing=MemoryTiming(numerator=8))
    model = SequencerTiming(config=config, streams={Queue.VECTOR: loop()}, port=port, engines=engines(1, 1))
    model.run()
    assert [event.tag for event in model.issues[:-1]] == list(range(1000))
    assert 0 < max(ahead) <= config.sequencer.buffer_instructions + DECODED_INSTRUCTIONS


@pytest.mark.parametrize("start", [0, 1003])
def test_first_issue_is_the_formula(start):
    """AR in 1, its beats, a read, DECODE_CYCLES: from the cycle in which the queues run first."""
    config = load_preset("tiny")
    timing = MemoryTiming(latency=10, numerator=8)
    port = FixedInstructionPort(config=config, timing=timing)
    model = SequencerTiming(config=config, streams=_program({}), port=port, engines=engines(1, 1))
    model.run(start=start)
    beats = INSTRUCTION_BYTES // config.bus.instruction_bytes
    assert model.issues[0].cycle == start + 1 + (1 + timing.latency) + (beats - 1) + 1 + DECODE_CYCLES
