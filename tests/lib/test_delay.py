"""DelayLine: exact latency in both forms, and nothing old after a reset."""

import gc
import random

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.sim import Simulator

from makalu.hw.lib.delay import LONGEST_IN_REGISTERS, DelayLine

LATENCIES = [0, 1, 2, LONGEST_IN_REGISTERS, LONGEST_IN_REGISTERS + 1, 21]
BITS = 12


def outputs(cycles, values, *, reset_at=None):
    """`after` in each cycle in which `values` are driven, with a reset in one cycle."""
    line, reset, seen = DelayLine(shape=BITS, cycles=cycles), Signal(), []

    async def bench(ctx):
        for t, value in enumerate(values):
            ctx.set(line.before, value)
            ctx.set(reset, int(t == reset_at))
            await ctx.delay(1e-7)
            seen.append(ctx.get(line.after))
            await ctx.tick()

    m, clocked = Module(), Signal()
    m.submodules.line = ResetInserter(reset)(line)
    m.d.sync += clocked.eq(~clocked)  # a delay of 0 has no register of its own
    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def numbers(count):
    rng = random.Random(1)
    return [rng.randrange(1, 1 << BITS) for _ in range(count)]


@pytest.mark.parametrize("cycles", LATENCIES)
def test_exact_latency(cycles):
    values = numbers(70)
    assert outputs(cycles, values) == ([0] * cycles + values)[: len(values)]


@pytest.mark.parametrize("cycles", [c for c in LATENCIES if c])
def test_nothing_survives_a_reset(cycles):
    values = numbers(90)
    seen = outputs(cycles, values, reset_at=40)
    assert seen[41 : 41 + cycles] == [0] * cycles
    assert seen[41 + cycles :] == values[41 : len(values) - cycles]


@pytest.mark.filterwarnings("ignore:.*created but never used")  # that is the point
def test_negative_delay_is_refused():
    with pytest.raises(ValueError, match="cycles of a delay line must be 0 or more, not -1"):
        DelayLine(shape=1, cycles=-1)
    gc.collect()
