"""Counters that wrap at their full width: a program of 150,000 instructions, replayed wait by wait."""

from makalu.spec.isa import Opcode
from makalu.sw.compile import schedule
from tests.compile.test_epochs import TINY, check_ring, ring


def test_a_hundred_thousand_signals():
    steps = ring(150_000)
    queues = schedule.schedule(steps, TINY)
    signals = [sum(bool(i["signal0_kind"]) for i in stream) for stream in queues.values()]
    assert sorted(signals)[-2] > 1 << 16 and sum(signals) > 140_000
    nops = sum(i.opcode == Opcode.NOP for stream in queues.values() for i in stream)
    assert nops <= 2 * len(queues) * (len(steps) // 8192 + 1)
    check_ring(steps, queues, modulus=1 << 16, seed=1)
