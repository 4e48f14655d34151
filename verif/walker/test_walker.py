"""A walker's outputs in every cycle are those of three nested loops and one more."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from random import Random
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from makalu.hw.lib.element import SIZE_BITS as SHIFT_BITS
from makalu.spec.isa import AP_DIMS, FIELDS
from makalu.sw.rtl.params import bench_params
from verif.lib.sampling import drive, reset, sample, start_clock

ADDRESS_BITS, SIZE_BITS, STRIDE_BITS = (FIELDS[f"src0_{name}"].bits for name in ("offset", "size0", "stride0"))
IDLE = {"start": 0, "advance": 0, "step": 0, "sizes": 0, "offsets": 0, "strides": 0, "shifts": 0}
Sizes = tuple[int, ...]


@dataclass
class Pattern:
    """What is walked, and how far the walk is."""

    sizes: Sizes
    strides: Sizes
    offset: int
    shift: int
    row: int = 0
    """Rows that are behind; a row is a walk along dimension 0."""
    element: int = 0
    """Elements of this row that are behind."""

    @property
    def address(self) -> int:
        at, indices = self.row, [self.element]
        for size in self.sizes[1:]:
            at, index = divmod(at, size)
            indices.append(index)
        moved = sum(i * stride for i, stride in zip(indices, self.strides, strict=True))
        return self.offset + (moved << self.shift) & (1 << ADDRESS_BITS) - 1

    @property
    def left(self) -> int:
        return self.sizes[0] - self.element

    @property
    def last_row(self) -> bool:
        return self.row == prod(self.sizes[1:]) - 1

    def advanced(self, step: int) -> "Pattern | None":
        """Behind the last element nothing."""
        if step < self.left:
            self.element += step
            return self
        self.row, self.element = self.row + 1, 0
        return self if self.row < prod(self.sizes[1:]) else None

    def inputs(self) -> dict[str, int]:
        """Those that are looked at with `start`."""
        strides = sum((s & (1 << STRIDE_BITS) - 1) << STRIDE_BITS * d for d, s in enumerate(self.strides))
        sizes = sum(size << SIZE_BITS * d for d, size in enumerate(self.sizes))
        return {"start": 1, "sizes": sizes, "offsets": self.offset, "strides": strides, "shifts": self.shift}


def random_pattern(rng: Random, sizes: Sizes) -> Pattern:
    """Strides of any bits, few bits, or 1 but for a bit; one that starts or ends far is as good as another."""
    any_stride = range(-(1 << STRIDE_BITS - 1), 1 << STRIDE_BITS - 1)
    strides = [rng.choice((rng.choice(any_stride), rng.randint(-9, 9), 0)) for _ in sizes]
    strides[0] = rng.choice((strides[0], 1, 1 ^ 1 << rng.randrange(STRIDE_BITS - 1)))
    return Pattern(sizes, tuple(strides), rng.getrandbits(ADDRESS_BITS), rng.getrandbits(SHIFT_BITS))


class Bench:
    """Every output in every cycle."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.now, self.was_first, self.lasts = dut, None, False, 0

    async def start(self) -> None:
        start_clock(self.dut)
        await reset(self.dut, IDLE)

    async def cycle(self, *, step: int, advance: bool, following: Pattern | None = None) -> None:
        """Advances what is walked, or begins what follows it."""
        drive(self.dut, {"start": 0, "step": step, "advance": advance} | (following.inputs() if following else {}))
        await RisingEdge(self.dut.clk)  # what is read now was there before the edge
        now = self.now
        want = {"valid": int(now is not None)}
        if now is not None:
            want |= {"addresses": now.address, "first": self.was_first, "left": now.left, "last_row": now.last_row}
            want["last"] = now.last_row and step == now.left
            self.lasts += want["last"] and advance
        got = sample(self.dut, want)
        assert got == want, f"{got}, must be {want}, in {now} with step {step}"
        if following:
            self.now, self.was_first = following, True
        elif now is not None and advance:
            self.now, self.was_first = now.advanced(step), False

    async def walk(self, pattern: Pattern, rng: Random, *, pause: float, until: int | None = None) -> None:
        """From its start to its end, or so many cycles of it; the start may fall on the end of the one before."""
        await self.cycle(step=self.now.left if self.now else 0, advance=self.now is not None, following=pattern)
        whole = rng.random() < 0.3
        while self.now is not None and until != 0:
            until = None if until is None else until - 1
            left = self.now.left
            most = left if pattern.strides[0] == 1 else 1
            step = left if whole or rng.random() < 0.1 else rng.randint(1, most)
            ends = self.now.last_row and step == left
            advance = rng.random() >= pause
            if advance and ends and rng.random() < 0.5:
                return  # the next start comes with this advance
            await self.cycle(step=step, advance=advance)


def long_sizes(rng: Random, *, longest: int, rounds: int) -> Iterator[Sizes]:
    """Every bit of a size, in each dimension: those below `longest` come to their end, dimension 0 does at once."""
    for d in [*range(AP_DIMS)] * rounds:
        for bit in range(SIZE_BITS if d == 0 else longest):
            sizes = [rng.randint(1, 2) for _ in range(AP_DIMS)]
            sizes[d] = (1 << bit) + rng.getrandbits(bit)
            yield tuple(sizes)


@cocotb.test()
async def random_patterns(dut: Any) -> None:
    """Pauses, steps over several elements and over the rest of a row, starts in the middle."""
    rng, bench = Random(cocotb.RANDOM_SEED), Bench(dut)
    await bench.start()
    for n in range(bench_params()["patterns"]):
        pattern = random_pattern(rng, tuple(rng.choice((1, 2, rng.randint(1, 6))) for _ in range(AP_DIMS)))
        await bench.walk(pattern, rng, pause=0.3 * (n % 2), until=rng.randint(0, 20) if rng.random() < 0.1 else None)
        if rng.random() < 0.1:  # nothing to walk: an advance changes nothing
            while bench.now is not None:
                await bench.cycle(step=bench.now.left, advance=True)
            await bench.cycle(step=rng.getrandbits(SIZE_BITS), advance=True)
    assert bench.lasts > bench_params()["patterns"] // 4


@cocotb.test()
async def long_patterns(dut: Any) -> None:
    """Of each dimension each bit of a size; a row is stepped over at once, now and then one waits."""
    rng, bench, params = Random(cocotb.RANDOM_SEED), Bench(dut), bench_params()
    await bench.start()
    for sizes in long_sizes(rng, longest=params["longest"], rounds=params["rounds"]):
        pattern = random_pattern(rng, sizes)
        await bench.cycle(step=bench.now.left if bench.now else 0, advance=True, following=pattern)
        if pattern.strides[0] == 1 and pattern.left > 1:
            await bench.cycle(step=rng.randrange(1, pattern.left), advance=True)
        while bench.now is not None and not (bench.now.last_row and rng.random() < 0.5):
            await bench.cycle(step=bench.now.left, advance=rng.random() < 0.95)
    assert bench.lasts > params["longest"]
