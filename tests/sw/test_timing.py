"""Prediction without RTL: the comparison with a trace, its errors, and what needs no simulator to be known."""

import dataclasses

import numpy as np
import pytest

from makalu.examples.gemm.gemm import gemm
from makalu.sim_models.timing.core import CoreTiming
from makalu.sim_models.timing.handshakes import NEVER, Handshakes
from makalu.spec.encoding import Instruction
from makalu.spec.isa import Opcode, Queue, WaitKind
from makalu.spec.memory import MemoryTiming
from makalu.spec.observe import observe_layout
from makalu.sw.compile.compiler import compile_kernel
from makalu.sw.compile.program import ProgramError
from makalu.sw.nki import language as nl
from makalu.sw.nki.tracing import TensorSpec
from makalu.sw.rtl.timing import first_difference, largest_difference, start_of
from makalu.sw.rtl.trace import Trace
from makalu.sw.timing import predict

from .kernels import MINI, TINY


@pytest.fixture(scope="module")
def program():
    spec = TensorSpec((12, 12), nl.bfloat16)
    return compile_kernel(gemm, TINY, a=spec, b=spec)


def trace_of(timeline, cycles):
    """A trace in which everything is where the timeline has it."""
    fields = observe_layout(TINY, "trace")
    rows = [0] * cycles
    lsb = 0
    for field, events in zip(fields[:2], (timeline.issues, timeline.finishes), strict=True):
        for event in events:
            rows[event.cycle] |= (1 | event.tag << 1) << lsb + field.bits * event.where
        lsb += field.bits * field.count
    width = -(-sum(f.bits * f.count for f in fields) // 8)
    raw = b"".join(row.to_bytes(width, "little") for row in rows)
    return Trace(fields, np.frombuffer(raw, np.uint8).reshape(cycles, width))


def test_equal_accounts(program):
    timeline = predict(program, TINY, start=11)
    trace = trace_of(timeline, timeline.done + 5)
    assert len(timeline.issues) == program.instructions
    assert largest_difference(timeline, trace) == 0 and first_difference(timeline, trace) is None
    assert start_of(trace, timeline.cycles) == 11


def test_a_moved_event_is_the_difference(program):
    timeline = predict(program, TINY)
    moved = dataclasses.replace(timeline.finishes[-1], cycle=timeline.finishes[-1].cycle + 3)
    other = dataclasses.replace(timeline, finishes=[*timeline.finishes[:-1], moved])
    trace = trace_of(other, timeline.done + 5)
    assert largest_difference(timeline, trace) == 3
    first = first_difference(timeline, trace)
    assert (first.where, first.tag, first.seen) == (moved.where, moved.tag, moved.cycle)
    assert str(first).endswith(f"tag {moved.tag}: predicted in cycle {moved.cycle - 3}, seen in {moved.cycle}")


def test_a_missing_event_is_infinite(program):
    timeline = predict(program, TINY)
    for issues in (timeline.issues[:-1], timeline.issues[:1]):
        trace = trace_of(dataclasses.replace(timeline, issues=issues), timeline.done + 5)
        assert largest_difference(timeline, trace) == float("inf")
        first = first_difference(timeline, trace)
        assert first.seen is None and first.cycles == float("inf")


def test_more_latency_and_less_bandwidth_take_longer(program):
    beat = TINY.bus.data_bytes
    base = MemoryTiming(latency=50, numerator=beat)
    cycles = predict(program, TINY, base).cycles
    assert predict(program, TINY, dataclasses.replace(base, latency=60)).cycles > cycles
    assert predict(program, TINY, dataclasses.replace(base, denominator=9)).cycles > cycles
    assert predict(program, TINY, dataclasses.replace(base, numerator=2 * beat)).cycles <= cycles


def test_a_program_for_another_preset_is_refused(program):
    with pytest.raises(ProgramError, match="compiled for preset tiny, not for trn2-mini"):
        predict(program, MINI)


def test_a_wait_for_ever_is_named():
    wait = {"wait0_kind": WaitKind.REACHED, "wait0_value": 1}
    stream = [Instruction(Opcode.NOP, wait), Instruction(Opcode.HALT)]
    with pytest.raises(TimeoutError, match="'scalar': 0"):
        CoreTiming(TINY, MemoryTiming(numerator=8)).run({Queue.SCALAR: stream})


def test_handshakes_of_a_log():
    log = ["4 iar 0 1000 15 0", "9 ir 0 0 0 0", "10 ir 0 0 0 1", "11 iar 0 1080 15 0", "12 r 0 0 0 1"]
    record = Handshakes.parse(log)
    assert record.instruction_bursts() == [(4, 10), (11, NEVER), (NEVER, NEVER)]
    assert record.cycles["r"] == [12] and record.cycles["b"] == []
    with pytest.raises(ValueError, match="channel must be one of .* not 'x'"):
        Handshakes.parse(["1 x 0 0 0 0"])
