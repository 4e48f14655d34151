# amaranth: UnusedElaboratable=no
"""Stochastic rounding in the RTL: the generator's bits and every cast by them are golden's."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from makalu.hw.arith.convert import Narrow, NarrowElement
from makalu.hw.arith.random_bits import RandomBits
from makalu.sim_models.golden.formats import narrow
from makalu.sim_models.golden.random_bits import random_bits, step
from makalu.spec.formats import BF16, FP16, LANE_ELEMENTS
from makalu.spec.random_bits import RANDOM_BITS
from tests.faults.planting import planted_class
from verif.lib.lane_programs import corner_values

VECTORS = 900
MOST = (1 << RANDOM_BITS) - 1


def wrong_draws(generator, *, cycles=300):
    """Cycles in which the bits differ: steps and pauses, and a start now and then."""
    dut, rng, wrong = generator(), np.random.default_rng(1), []

    async def bench(ctx):
        state = np.uint32(0)
        ctx.set(dut.key, 0x12345678)
        for cycle in range(cycles):
            start = cycle == 0 or rng.random() < 0.02
            seed = 0x12345678 if cycle == 0 else int(rng.integers(0, 1 << 32))
            taken = bool(rng.random() < 0.6) and not start
            ctx.set(dut.seeding, {"start": int(start), "seed": seed})
            ctx.set(dut.step, int(taken))
            await ctx.tick()
            state = np.uint32((seed ^ 0x12345678) or 1) if start else step(state) if taken else state
            if ctx.get(dut.bits) != int(random_bits(state)):
                wrong.append(cycle)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return wrong


def vectors(seed):
    """Numbers with all ends, draws with all ends, and which of them is for nearest even."""
    rng = np.random.default_rng(seed)
    values = corner_values(rng, (VECTORS,))
    small = rng.random(VECTORS) < 0.4  # results that are subnormal, or far below that
    exponents = rng.integers(70, 125, VECTORS) << 23
    values = np.where(small, values & np.uint32(0x807FFFFF) | exponents.astype(np.uint32), values)
    ends = rng.choice(np.array([0, 1, MOST // 2, MOST // 2 + 1, MOST]), VECTORS)
    random = np.where(rng.random(VECTORS) < 0.4, ends, rng.integers(0, MOST + 1, VECTORS)).astype(np.uint32)
    return values, random, rng.random(VECTORS) < 0.2


def wrong_rounding(unit, forms, *, seed=2):
    dut, wrong = unit, []
    values, random, nearest = vectors(seed)

    async def bench(ctx):
        for form in forms:
            if hasattr(dut, "dtype"):
                ctx.set(dut.dtype, form.code)
            wants = np.where(nearest, narrow(form, values), narrow(form, values, random))
            if form.padding and not hasattr(dut, "dtype"):
                wants = wants >> form.padding
            for value, bits, even, want in zip(*(a.tolist() for a in (values, random, nearest, wants)), strict=True):
                ctx.set(dut.i, value)
                ctx.set(dut.random, bits)
                ctx.set(dut.stochastic, int(not even))
                await ctx.delay(1e-9)
                if ctx.get(dut.o) != want:
                    wrong.append((form.name, hex(value), hex(bits), even))

    simulator = Simulator(dut)
    simulator.add_testbench(bench)
    simulator.run()
    return wrong


def test_the_generator_steps_as_golden_does():
    assert not wrong_draws(RandomBits)


def test_every_cast_is_rounded_as_golden_rounds():
    assert not wrong_rounding(NarrowElement(formats=LANE_ELEMENTS, rounds=True), LANE_ELEMENTS)


def test_a_unit_without_it_has_no_port_of_it():
    assert "random" not in NarrowElement(formats=LANE_ELEMENTS).signature.members
    assert Narrow(FP16).emit_key != Narrow(FP16, rounds=True).emit_key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mixed | (mixed == Const(0))", "mixed"),
        ("following << places if", "following << places + 1 if"),
        ("state[STATE_BITS - RANDOM_BITS :]", "state[:RANDOM_BITS]"),
    ],
)
def test_a_planted_fault_in_the_generator_is_seen(old, new):
    assert wrong_draws(planted_class("arith.random_bits.RandomBits", old, new))


@pytest.mark.parametrize(
    ("form", "old", "new"),
    [
        (FP16, "most + RANDOM_BITS - 1 if", "most if"),
        (BF16, "self.random[-used:]", "self.random[:used]"),
        (FP16, "total[-1], nearest", "total[-2], nearest"),
        (FP16, "Mux(self.stochastic, total", "Mux(1, total"),
    ],
)
def test_a_planted_fault_in_the_rounding_is_seen(form, old, new):
    unit = planted_class("arith.convert.Narrow", old, new)
    assert wrong_rounding(unit(form, rounds=True), [form], seed=3)
