"""Random traffic for the PSUM bench: waves of every kind, columns, and reads of banks that the wave is out of."""

import random
from collections import deque
from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES
from verif.psum.chain import chain_word, random_fp32

__all__ = ["Traffic"]


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
        self.last_number = np.zeros(config.partitions, np.int64)

    def _idle(self) -> dict[str, int]:
        return {"valid": 0, "address": self.pool[0][0], "accumulate": 1, "columns": self.config.partitions}

    def _burst(self) -> list[dict[str, int]]:
        rng, partitions = self.rng, self.config.partitions
        pool = rng.choice(self.pool)
        kind = rng.choice(["walk", "same", "random"])
        columns = rng.choice([partitions, rng.randint(1, partitions)])
        accumulate = rng.random() < 0.7
        out = []
        for i in range(rng.randint(1, 12)):
            address = {"walk": pool[i % len(pool)], "same": pool[0], "random": rng.choice(pool)}[kind]
            out.append({"valid": 1, "address": address, "accumulate": int(accumulate), "columns": columns})
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

    def inputs(self) -> dict[str, Any]:
        return self._cycle(self.wave(), reads=True)

    def warm_up(self) -> list[dict[str, Any]]:
        """A write of every element that the traffic uses, then a read of each bank by each reader."""
        all_columns = {"valid": 1, "columns": self.config.partitions}
        everywhere = {"enable": 1, "start": 0, "count": self.config.partitions}
        flat = [address for bank in self.pool for address in bank]
        script = [self._cycle({**all_columns, "address": a, "accumulate": 0}, reads=False) for a in flat]
        drain = self.config.partitions + self.config.psum.add_stages + 2
        script += [self._cycle(self._idle(), reads=False) for _ in range(drain)]
        for bank in self.pool:
            step = self._cycle(self._idle(), reads=False)
            step["access"][0] = {**everywhere, "address": bank[0]}
            script.append(step)
        # the wave's own reads: its stages are defined from here on
        script += [self._cycle({**all_columns, "address": a, "accumulate": 1}, reads=False) for a in flat]
        return [*script, *(self._cycle(self._idle(), reads=False) for _ in range(drain))]

    def _cycle(self, wave: dict[str, int], *, reads: bool) -> dict[str, Any]:
        self.riding.appendleft(wave["address"] if wave["valid"] else None)
        quiet = [{"enable": 0, "address": 0, "start": 0, "count": 0} for _ in range(ENGINES)]
        number = np.array([random_fp32(self.rng, near=int(last)) for last in self.last_number], np.int64)
        self.last_number = number
        return {
            "wave": wave,
            "column": [chain_word(int(bits), self.rng) for bits in number],
            "number": number.astype(np.uint32),
            "access": self.access() if reads else quiet,
        }
