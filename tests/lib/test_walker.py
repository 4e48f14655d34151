"""Walker against the list of addresses."""

import gc
import random

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from makalu.hw.lib.walker import Walker
from makalu.sim_models.golden.walker import addresses, extent
from makalu.spec.formats import BF16, FP32

ADDRESS_MASK = (1 << 18) - 1
OPERANDS = 3


def scenario(walk, *, steps: bool, gaps: bool, rng: random.Random):
    """The (addresses, first, last) that the RTL shows, one entry a step, and the element index of each step."""
    dut = Walker(operands=OPERANDS)
    seen: list[tuple[tuple[int, ...], int, int, int]] = []

    async def bench(ctx):
        for number, (sizes, operands) in enumerate(walk):
            if number == 0 or gaps:
                await ctx.tick().repeat(rng.randrange(1, 4))
            total = int(np.prod(sizes))
            ctx.set(dut.start, 1)
            ctx.set(dut.sizes, list(sizes))
            ctx.set(dut.offsets, [o for o, _, _ in operands])
            ctx.set(dut.shifts, [e.bit_length() - 1 for _, e, _ in operands])
            ctx.set(dut.strides, [list(s) for _, _, s in operands])
            await ctx.tick()  # the edge of the last advance of the pattern before: no gap between patterns
            ctx.set(dut.start, 0)
            done = 0
            while done < total:
                if gaps and rng.random() < 0.3:
                    ctx.set(dut.advance, 0)
                    await ctx.tick()
                    continue
                left = ctx.get(dut.left)
                assert left == sizes[0] - done % sizes[0]
                unit = all(s[0] == 1 for _, _, s in operands)
                step = rng.choice([1, left, rng.randint(1, left)] if unit else [1, left]) if steps else 1
                ctx.set(dut.step, step)
                ctx.set(dut.advance, 1)
                await ctx.delay(1e-7)
                assert ctx.get(dut.valid) == 1
                place = tuple(ctx.get(dut.addresses[i]) for i in range(OPERANDS))
                seen.append((place, ctx.get(dut.first), ctx.get(dut.last), done))
                done += step
                if done < total:
                    await ctx.tick()
            if gaps:
                await ctx.tick()
                ctx.set(dut.advance, 1)  # an advance without a pattern is ignored
                await ctx.delay(1e-7)
                assert ctx.get(dut.valid) == 0

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
    return seen


def check(walk, **how):
    seen = scenario(walk, **how)
    at = 0
    for sizes, operands in walk:
        lists = [addresses(o, e, sizes, s) & ADDRESS_MASK for o, e, s in operands]
        total = len(lists[0])
        first_of_walk = True
        while True:
            place, first, last, done = seen[at]
            assert place == tuple(int(a[done]) for a in lists), (sizes, operands, done)
            assert first == first_of_walk
            ends = at + 1 == len(seen) or seen[at + 1][3] == 0
            assert last == ends, (sizes, done, total)
            first_of_walk = False
            at += 1
            if ends:
                break
    assert at == len(seen)


def pattern(rng: random.Random, unit: bool):
    sizes = tuple(rng.choice([1, 1, 2, 3, rng.randint(1, 9)]) for _ in range(4))
    operands = []
    for _ in range(OPERANDS):
        strides = [rng.choice([0, 1, -1, rng.randint(-50, 50), rng.randint(-3000, 3000)]) for _ in range(4)]
        if unit:
            strides[0] = 1
        operands.append((rng.randrange(0, 1 << 18, 2), rng.choice([BF16.bytes, FP32.bytes]), tuple(strides)))
    return sizes, operands


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("gaps", [False, True])
def test_walker_shows_every_element(seed, gaps):
    rng = random.Random(seed)
    check([pattern(rng, unit=False) for _ in range(12)], steps=False, gaps=gaps, rng=rng)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unit", [False, True])
def test_walker_steps_over_runs(seed, unit):
    rng = random.Random(seed)
    check([pattern(rng, unit=unit) for _ in range(12)], steps=True, gaps=bool(seed % 2), rng=rng)


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    strides=st.lists(st.integers(-40, 40), min_size=4, max_size=4),
    offset=st.integers(0, 4000),
    elem_bytes=st.sampled_from([2, 4]),
)
def test_golden_addresses_are_the_four_loops(sizes, strides, offset, elem_bytes):
    loops = [
        offset + elem_bytes * (i3 * strides[3] + i2 * strides[2] + i1 * strides[1] + i0 * strides[0])
        for i3 in range(sizes[3])
        for i2 in range(sizes[2])
        for i1 in range(sizes[1])
        for i0 in range(sizes[0])
    ]
    assert addresses(offset, elem_bytes, sizes, strides).tolist() == loops
    assert extent(offset, elem_bytes, sizes, strides) == (min(loops), max(loops) + elem_bytes - 1)


def test_golden_walker_rejects_size_zero():
    with pytest.raises(ValueError, match=r"at least 1, not \[4, 0, 1, 1\]"):
        addresses(0, 4, [4, 0, 1, 1], [1, 1, 1, 1])


def test_golden_walker_rejects_ragged_pairs():
    with pytest.raises(ValueError, match="2 sizes and 1 strides"):
        addresses(0, 4, [4, 1], [1])


@pytest.mark.filterwarnings("ignore:.*created but never used")  # that is the point
@pytest.mark.parametrize(("given", "said"), [({"operands": 0}, "not 0"), ({"operands": 1, "dims": 1}, "not 1")])
def test_walker_rejects_parameters(given, said):
    with pytest.raises(ValueError, match=said):
        Walker(**given)
    gc.collect()
