"""Random, legal and dense traffic for the SBUF bench: both engines, tensor engine and DMA in their slots."""

import random
from typing import Any

import numpy as np

from makalu.spec.config import CoreConfig
from makalu.spec.frame import DMA_SLOT, PHASES, SLOTS
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES

__all__ = ["Traffic"]


class Traffic:
    """Inputs of one cycle after the other; a request stays until it is granted.

    `density` is the chance that an idle engine, or a slot, has something to do. `addresses` words a bank are used, so
    that traffic meets; `shared` is the chance that an engine's access goes to bank 0.
    """

    def __init__(
        self, config: CoreConfig, rng: random.Random, *, density: float, addresses: int = 4, shared: float = 0.5
    ) -> None:
        self.config, self.rng, self.density, self.shared = config, rng, density, shared
        self.noise = np.random.default_rng(rng.getrandbits(32))
        sbuf = config.sbuf
        edges = [0, sbuf.bank_words - 1]
        self.pool = [
            [bank * sbuf.bank_words + word for word in (*edges, *rng.sample(range(sbuf.bank_words), addresses))]
            for bank in range(sbuf.banks)
        ]
        self.request = [self._idle() for _ in range(ENGINES)]
        self.psum_request = [{"valid": 0, "address": 0, "start": 0, "count": 0} for _ in range(ENGINES)]
        self.cycle = 0

    def warm_up(self) -> list[dict[str, Any]]:
        """Writes of every word that the traffic uses, then a read of each bank by each port: no output is undefined."""
        script = []
        for bank in self.pool:
            for address in bank:
                script.append(self.quiet(dma=address, write=1))
        for bank in self.pool:
            script.append(self.quiet(dma=bank[0], write=0, read=bank[0]))
        return [*script, self.quiet(), self.quiet()]

    def quiet(self, *, dma: int | None = None, write: int = 0, read: int | None = None) -> dict[str, Any]:
        """A cycle in which at most DMA, in all partitions, and engine 0 do something."""
        count, sbuf = self.config.partitions, self.config.sbuf
        request = [self._idle() for _ in range(ENGINES)]
        if read is not None:
            request[0] = {**self._idle(), "valid": 1, "address": read, "count": count}
        return {
            "request": request,
            "psum_request": [dict(p) for p in self.psum_request],
            "owned": 0,
            "write_data": np.zeros((ENGINES, count, sbuf.word_bytes), np.uint8),
            "tensor": {"enable": np.zeros(count, bool), "address": np.zeros(count, np.int64)},
            "dma": {
                "enable": np.full(count, dma is not None),
                "write": np.full(count, write),
                "address": np.full(count, dma or 0),
                "granules": np.full(count, (1 << (sbuf.word_bytes // GRANULE_BYTES)) - 1),
                "data": self.noise.integers(0, 256, (count, sbuf.word_bytes), dtype=np.uint8),
            },
        }

    def _idle(self) -> dict[str, int]:
        return {"valid": 0, "write": 0, "address": 0, "mask": 0, "start": 0, "count": 0}

    def _range(self) -> dict[str, int]:
        partitions = self.config.partitions
        start = self.rng.choice([0, self.rng.randrange(partitions)])
        return {"start": start, "count": self.rng.choice([partitions - start, self.rng.randint(1, partitions - start)])}

    def _mask(self) -> int:
        width = self.config.sbuf.word_bytes
        kind = self.rng.randrange(4)
        if kind == 0:
            return (1 << width) - 1
        if kind == 1:  # whole granules
            some = self.rng.getrandbits(width // GRANULE_BYTES)
            return sum(0xF << (GRANULE_BYTES * g) for g in range(width // GRANULE_BYTES) if some >> g & 1)
        if kind == 2:  # one bf16 element
            return 0b11 << self.rng.randrange(0, width, 2)
        return self.rng.getrandbits(width)

    def _access(self) -> dict[str, int]:
        bank = 0 if self.rng.random() < self.shared else self.rng.randrange(self.config.sbuf.banks)
        return {
            "valid": 1,
            "write": self.rng.getrandbits(1),
            "address": self.rng.choice(self.pool[bank]),
            "mask": self._mask(),
            **self._range(),
        }

    def _psum_access(self) -> dict[str, int]:
        psum = self.config.psum
        bank = 0 if self.rng.random() < self.shared else self.rng.randrange(psum.banks)
        return {"valid": 1, "address": bank * psum.bank_elems + self.rng.randrange(psum.bank_elems), **self._range()}

    def advance(self, grant: int, psum_grant: int) -> None:
        """After a cycle with these grants."""
        for e in range(ENGINES):
            if grant >> e & 1 or not self.request[e]["valid"]:
                self.request[e] = self._access() if self.rng.random() < self.density else self._idle()
            if psum_grant >> e & 1 or not self.psum_request[e]["valid"]:
                busy = self.rng.random() < self.density
                self.psum_request[e] = self._psum_access() if busy else {**self.psum_request[e], "valid": 0}
        self.cycle += 1

    def inputs(self, commands: list[dict[str, int]]) -> dict[str, Any]:
        """Inputs of this cycle; `commands` are those visible in it: no port reads or writes a word that the other one
        writes now, and what is read beside a write is defined nowhere.
        """
        config = self.config
        count, sbuf = config.partitions, config.sbuf
        phase = (self.cycle - np.arange(count) * config.tensor.add_stages) % PHASES
        dma_slot = phase % SLOTS == DMA_SLOT
        busy = self.noise.random(count) < self.density
        used = [{c["address"] for c in commands if c["enable"] and c["write"] >= way} for way in (0, 1)]
        flat = [a for bank in self.pool for a in bank]
        unused, unwritten = ([a for a in flat if a not in taken] for taken in used)
        return {
            "request": [dict(r) for r in self.request],
            "psum_request": [dict(r) for r in self.psum_request],
            "owned": self.rng.getrandbits(config.psum.banks) & self.rng.getrandbits(config.psum.banks),
            "write_data": self.noise.integers(0, 256, (ENGINES, count, sbuf.word_bytes), dtype=np.uint8),
            "tensor": {"enable": busy & ~dma_slot, "address": self.noise.choice(unwritten, count)},
            "dma": {
                "enable": busy & dma_slot,
                "write": self.noise.integers(0, 2, count),
                "address": self.noise.choice(unused, count),
                "granules": self.noise.integers(0, 1 << (sbuf.word_bytes // GRANULE_BYTES), count),
                "data": self.noise.integers(0, 256, (count, sbuf.word_bytes), dtype=np.uint8),
            },
        }
