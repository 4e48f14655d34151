"""Random traffic for the PSUM bench: waves of every kind, columns, and reads of banks that the wave is out of."""

import random
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.formats import FP32
from makalu.spec.memory_map import ENGINES, PSUM_HALVES
from verif.arith.cancellation import cancelling_pairs
from verif.psum.chain import chain_word, random_fp32

__all__ = ["Cancelling", "Traffic"]

LOW_BANKS = (0, 1)
"""Of numbers with small exponents: what they cancel to is subnormal."""
SMALLEST = (0, 1, 0x400000, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF)
"""fp32 bits: zero, subnormals, and normal numbers with the smallest exponent."""

LOW_HALF = 0xFFFF
TIES = (0, 0x7FFF, 0x8000, 0x8001)
"""Lower halves of fp32: a number of bf16, and what is around the middle of two."""


class Traffic:
    """Inputs of one cycle after the other, `column` as chain words and `number` as what they stand for.

    Waves come in bursts to one bank: consecutive elements, one element over and over (also closer than a tensor head
    would send them: the slice's pipeline is defined for that too), or random ones. `elements` a bank are used.

    Nothing is read in the cycle that commits it: what such a read gives is defined nowhere.
    """

    def __init__(self, config: CoreConfig, rng: random.Random, *, density: float, elements: int = 4) -> None:
        self.config, self.rng, self.density = config, rng, density
        psum = config.psum
        edges = [0, psum.bank_elems - 1]
        self.pool = [
            [bank * psum.bank_elems + e for e in (*edges, *rng.sample(range(1, psum.bank_elems - 1), elements))]
            for bank in range(psum.banks)
        ]
        self.burst: list[dict[str, int]] = []
        # addresses of waves that are in some slice or its adder, the newest first
        delay = config.partitions + psum.add_stages + 1
        self.riding: deque[int | None] = deque([None] * delay, maxlen=delay)

    def _idle(self) -> dict[str, int]:
        return self._whole({"valid": 0, "address": self.pool[0][0], "accumulate": 1, "columns": self.config.partitions})

    def _whole(self, wave: dict[str, int]) -> dict[str, int]:
        """Of all of a word, where halves are written alone."""
        halves = (1 << PSUM_HALVES) - 1 if self.config.tensor.halves else 0
        return {"first": 0} | wave | {"halves": halves, "carried": 0, "rounding": 0}

    def _half(self, wave: dict[str, int]) -> dict[str, int]:
        """Of a half: a sum as bf16, or what the sum carries, where there are such."""
        tensor, either = self.config.tensor, self.rng.getrandbits(1)
        adds = tensor.rounds and (wave["accumulate"] or either or not tensor.carries)
        if not adds and (wave["accumulate"] or not tensor.carries):
            return wave
        half = {"halves": self.rng.choice((1, 2)), "carried": int(tensor.rounds and not adds)}
        return wave | half | {"rounding": int(self.config.stochastic_sums and adds and self.rng.random() < 0.6)}

    def _burst(self) -> list[dict[str, int]]:
        rng, partitions = self.rng, self.config.partitions
        pool = rng.choice(self.pool)
        kind = rng.choice(["walk", "same", "random"])
        columns = rng.choice([partitions, rng.randint(1, partitions)])
        first = rng.randint(0, partitions - columns)
        accumulate = rng.random() < 0.7
        halves = rng.random() < 0.6
        out = []
        for i in range(rng.randint(1, 12)):
            address = {"walk": pool[i % len(pool)], "same": pool[0], "random": rng.choice(pool)}[kind]
            where = {"address": address, "first": first, "columns": columns}
            wave = self._whole({"valid": 1, "accumulate": int(accumulate), **where})
            out.append(self._half(wave) if halves else wave)
        return out

    def wave(self) -> dict[str, int]:
        if not self.burst and self.rng.random() < self.density:
            self.burst = self._burst()
        # `riding` begins with the cycle before this one; a wave commits in a slice add_stages + 1 cycles after it came
        commits = self.riding[self.config.psum.add_stages]
        if not self.burst or (self.burst[0]["accumulate"] and self.burst[0]["address"] == commits):
            return self._idle()
        return self.burst.pop(0)

    def access(self) -> list[dict[str, int]]:
        """Two engines in different banks, neither in a bank that a wave uses."""
        rng, partitions = self.rng, self.config.partitions
        elems = self.config.psum.bank_elems
        used = {address // elems for address in self.riding if address is not None}
        free = [bank for bank in range(self.config.psum.banks) if bank not in used]
        out = []
        for bank in rng.sample(free, min(ENGINES, len(free))):
            start = rng.randrange(partitions)
            out.append(
                {
                    "enable": int(rng.random() < self.density),
                    "address": rng.choice(self.pool[bank]),
                    "start": start,
                    "count": rng.randint(1, partitions - start),
                }
            )
        while len(out) < ENGINES:
            out.append({"enable": 0, "address": 0, "start": 0, "count": 0})
        rng.shuffle(out)
        return out

    def inputs(self, old: NDArray[np.uint32]) -> dict[str, Any]:
        """Of the next cycle, in which the columns are added to `old` where their waves accumulate."""
        return self._cycle(self.wave(), reads=True, old=old)

    def quiet(self) -> dict[str, Any]:
        """A cycle without a wave or a read."""
        return self._cycle(self._idle(), reads=False)

    def warm_up(self) -> list[dict[str, Any]]:
        """A write of every element that the traffic uses, then a read of each bank by each reader."""
        all_columns = self._whole({"valid": 1, "columns": self.config.partitions})
        everywhere = {"enable": 1, "start": 0, "count": self.config.partitions}
        flat = [address for bank in self.pool for address in bank]
        script = []
        if self.config.stochastic_sums:
            script.append(self.quiet() | {"seeding": {"start": 1, "seed": self.rng.getrandbits(32)}})
        script += [self._cycle({**all_columns, "address": a, "accumulate": 0}, reads=False) for a in flat]
        drain = self.config.partitions + self.config.psum.add_stages + 2
        script += [self.quiet() for _ in range(drain)]
        for bank in self.pool:
            step = self.quiet()
            step["access"][0] = {**everywhere, "address": bank[0]}
            script.append(step)
        # the wave's own reads: its stages are defined from here on
        script += [self._cycle({**all_columns, "address": a, "accumulate": 1}, reads=False) for a in flat]
        return [*script, *(self.quiet() for _ in range(drain))]

    def _numbers(self, old: NDArray[np.uint32] | None) -> list[int]:
        """A column a slice, whose wave came a cycle ago, a cycle more for each slice."""
        near = [None] * self.config.partitions if old is None else old.tolist()
        waves = list(self.riding)[1 : 1 + self.config.partitions]
        banks = [None if address is None else address // self.config.psum.bank_elems for address in waves]
        out = [random_fp32(self.rng, near=n, low=b in LOW_BANKS) for n, b in zip(near, banks, strict=True)]
        return [self._tied(bits) for bits in out] if self.config.tensor.rounds else out

    def _tied(self, bits: int) -> int:
        """At times half way between two numbers of bf16, or next to it."""
        if self.rng.random() < 0.7 or bits & FP32.magnitude_mask >= FP32.infinity:
            return bits
        return bits & ~LOW_HALF | self.rng.choice(TIES)

    def _cycle(self, wave: dict[str, int], *, reads: bool, old: NDArray[np.uint32] | None = None) -> dict[str, Any]:
        self.riding.appendleft(wave["address"] if wave["valid"] else None)
        quiet = [{"enable": 0, "address": 0, "start": 0, "count": 0} for _ in range(ENGINES)]
        number = self._numbers(old)
        return {
            "wave": wave,
            "column": [chain_word(bits, self.rng) for bits in number],
            "number": np.array(number, np.uint32),
            "access": self.access() if reads else quiet,
            "seeding": {"start": 0, "seed": 0},
        }


def _smallest_pairs() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Each of SMALLEST less each: their exponents are alike, so either may be the one that is taken off."""
    first, second = np.meshgrid(np.array(SMALLEST, np.uint32), np.array(SMALLEST, np.uint32))
    return first.ravel(), second.ravel() | np.uint32(1 << (FP32.bits - 1))


class Cancelling(Traffic):
    """Writes one number of each of `cancelling_pairs` and of the smallest, and adds the other: a pair a slice and
    element, then the next.
    """

    def __init__(self, config: CoreConfig, rng: random.Random) -> None:
        super().__init__(config, rng, density=1.0)
        apart = config.psum.add_stages + 2  # an element is read so many cycles after its column at the earliest
        random_pairs = cancelling_pairs(np.random.default_rng(rng.getrandbits(32)))
        pairs = [np.concatenate(both) for both in zip(random_pairs, _smallest_pairs(), strict=True)]
        rounds = -(-len(pairs[0]) // (apart * config.partitions))
        shape = (rounds, apart, config.partitions)
        self.columns = np.stack([np.resize(numbers, shape) for numbers in pairs], axis=1).reshape(-1, config.partitions)
        self.burst = [
            self._whole({"valid": 1, "address": element, "accumulate": accumulate, "columns": config.partitions})
            for _ in range(rounds)
            for accumulate in (0, 1)
            for element in range(apart)
        ]
        self.cycles = len(self.burst) + config.partitions + config.psum.add_stages + 1
        """After so many the last sum is in the memory."""
        self.cycle = 0

    def _numbers(self, old: NDArray[np.uint32] | None) -> list[int]:
        if old is None:
            return super()._numbers(old)
        rows = np.arange(self.config.partitions)
        wave = self.cycle - 1 - rows  # the one that each slice's column is for
        self.cycle += 1
        mine = (wave >= 0) & (wave < len(self.columns))
        return np.where(mine, self.columns[wave % len(self.columns), rows], 0).tolist()
