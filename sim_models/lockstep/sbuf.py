"""Lockstep model of all SBUF slices of a core at once: arrays over partitions, the same ports as `SbufSlice`."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.frame import PHASES
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES
from makalu.spec.scales import groups_of_a_quadrant, quadrant

from .taking_part import constant, scale_rows, taking_part

__all__ = ["SbufModel"]

_MERGES = {**{f"access{e}": 1 for e in range(ENGINES)}, "dma": PHASES}
"""Cycles from a read that is merged to its write: the arbiter's next turn, the lane's next frame of the same kind."""


@functools.lru_cache(maxsize=4096)
def _chosen(mask: int, width: int) -> tuple[NDArray[np.bool_], int]:
    """Bytes of a word that a mask names, bool [width], read-only; and the bits of the granules that they lie in."""
    chosen = constant((mask >> np.arange(width) & 1) != 0)
    granules = chosen.reshape(-1, GRANULE_BYTES).any(axis=1)
    return chosen, sum(1 << int(g) for g in np.flatnonzero(granules))


class SbufModel:
    """word[p, address]: port A for two engines, port B for tensor engine and DMA, P partitions side by side.

    Words are rows of `word_bytes` uint8, byte 0 first. Inputs of a cycle, by port name:

    - `access`: two dicts enable, write, address, mask, start, count and, where there is MX, scales (the same for all
      partitions);
      `write_data`: uint8 [2, P, W].
    - `tensor`: dict of arrays [P] enable, address. `dma`: dict of arrays enable, write, address, granules [P],
      data uint8 [P, W]; fresh bool [P, W], if given: the bytes of a write that do not repeat what the word holds.

    Outputs: `read_data` uint8 [2, P, W], `b_data` uint8 [P, W], `written_a` (two) and `written_b`: dicts of arrays
    enable, address, granules [P], data [P, W] (meaningful where enable); `defined_a` (two), `defined_b`, bool [P, W]:
    bytes of the data that are new or, where a merge repeats what the word holds, were written before.

    `undefined` collects (cycle, port, partition, address) of reads of words of which no byte was ever written, but not
    the reads of read-merge-write: those that the same port's write to the word follows after `_MERGES` cycles, from
    which on the list is right. A word counts as a whole: a slice cannot know which bytes of it are wanted.
    `collisions` are (cycle, partition, address) of words that both ports wrote in one cycle.

    Does not: arbitrate port A, merge granules that are written in part, or say what the RTL's memory holds where
    nothing was written (here 0).

    Parameters
    ----------
    config : CoreConfig

    `tick` takes what `comb` gave for the same inputs in the same cycle, if the caller has it.

    Errors: reads of unwritten words and collisions are listed, not raised. `KeyError`: an input is missing;
    `IndexError`: an address beyond the partition.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        count, sbuf = config.partitions, config.sbuf
        self.cycle = 0
        self.memory = np.zeros((count, sbuf.words, sbuf.word_bytes), np.uint8)
        self.known = np.zeros((count, sbuf.words), bool)
        self.defined = np.zeros(self.memory.shape, bool)
        """Bytes that were ever written."""
        # what the memories' output registers show
        self.a_out = np.zeros((count, sbuf.banks, sbuf.word_bytes), np.uint8)
        self.b_out = np.zeros((count, sbuf.banks, sbuf.word_bytes), np.uint8)
        self.a_bank = np.zeros((ENGINES, count), np.int64)
        self.b_bank = np.zeros(count, np.int64)
        self.undefined: list[tuple[int, str, int, int]] = []
        self._maybe_merged: list[tuple[int, str, int, int]] = []
        self.collisions: list[tuple[int, int, int]] = []
        self._rows = np.arange(count)
        nothing = constant(np.zeros(count, np.int64))
        self._no_write = {"enable": constant(np.zeros(count, bool)), "address": nothing, "granules": nothing}
        self._all = constant(np.ones((count, sbuf.word_bytes), bool))
        self._bits = 1 << np.arange(sbuf.word_bytes // GRANULE_BYTES)

    def _takes_part(self, command: dict[str, Any]) -> NDArray[np.bool_]:
        """Partitions that an engine's command is for."""
        start, count = command["start"], command["count"] if command["enable"] else 0
        if command.get("scales"):
            whole, rows = quadrant(self.config), groups_of_a_quadrant(self.config)
            return scale_rows(start, count, len(self._rows), whole, rows)
        return taking_part(start, count, len(self._rows))

    @property
    def b_data(self) -> NDArray[np.uint8]:
        """What port B shows in this cycle, whatever its inputs are."""
        shown: NDArray[np.uint8] = self.b_out[self._rows, self.b_bank]
        return shown

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        sbuf, partitions = self.config.sbuf, self.config.partitions
        read_data = self.a_out[self._rows[None, :], self.a_bank]
        written_a, defined_a = [], []
        for e, command in enumerate(inputs["access"]):
            if not (command["enable"] or command["address"] or command["mask"]):
                written_a.append({**self._no_write, "data": read_data[e]})
                defined_a.append(self._all)
                continue
            chosen, granules = _chosen(command["mask"], sbuf.word_bytes)
            written_a.append(
                {
                    "enable": self._takes_part({**command, "enable": command["enable"] and command["write"]}),
                    "address": np.full(partitions, command["address"], np.int64),
                    "granules": np.full(partitions, granules, np.int64),
                    "data": np.where(chosen, inputs["write_data"][e], read_data[e]) if granules else read_data[e],
                }
            )
            defined_a.append(self._defined(written_a[-1], np.broadcast_to(chosen, read_data[e].shape)))
        dma = inputs["dma"]
        written_b = {
            "enable": np.asarray(dma["enable"], bool) & np.asarray(dma["write"], bool),
            "address": np.asarray(dma["address"]),
            "granules": np.asarray(dma["granules"]),
            "data": np.asarray(dma["data"], np.uint8),
        }
        fresh = dma.get("fresh", self._all)
        return {
            "read_data": read_data,
            "b_data": self.b_data,
            "written_a": written_a,
            "written_b": written_b,
            "defined_a": defined_a,
            "defined_b": self._defined(written_b, fresh),
        }

    def _defined(self, commit: dict[str, Any], fresh: NDArray[np.bool_]) -> NDArray[np.bool_]:
        rows = np.flatnonzero(commit["enable"])
        if rows.size == 0 or fresh[rows].all():
            return fresh
        out = fresh.copy()
        out[rows] |= self.defined[rows, commit["address"][rows]]
        return out

    def _read(self, port: str, part: NDArray[np.bool_], address: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Words [len(rows), W] of the rows that read."""
        rows = np.flatnonzero(part)
        for row in rows[~self.known[rows, address[rows]]]:
            found = self._maybe_merged if port in _MERGES else self.undefined
            found.append((self.cycle, port, int(row), int(address[row])))
        return self.memory[rows, address[rows]].copy()

    def _write(self, commit: dict[str, Any], defined: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(commit["enable"])
        if rows.size == 0:
            return
        address = commit["address"][rows]
        granules = (commit["granules"][rows][:, None] & self._bits) != 0
        chosen = np.repeat(granules, GRANULE_BYTES, axis=1)
        self.memory[rows, address] = np.where(chosen, commit["data"][rows], self.memory[rows, address])
        self.known[rows, address] |= granules.any(axis=1)
        self.defined[rows, address] |= chosen & defined[rows]

    def tick(self, inputs: dict[str, Any], out: dict[str, Any] | None = None) -> None:
        out = out or self.comb(inputs)
        self._report_unmerged(out)
        bank_words = self.config.sbuf.bank_words
        # all reads see the memory as it was before this edge
        updates = []
        for e, command in enumerate(inputs["access"]):
            if command["enable"] and not command["write"]:
                part = self._takes_part(command)
                address = np.full(part.shape, command["address"], np.int64)
                bank = command["address"] // bank_words
                updates.append((self.a_out, part, np.full(part.shape, bank), self._read(f"access{e}", part, address)))
                self.a_bank[e, part] = bank
        dma, tensor = inputs["dma"], inputs["tensor"]
        dma_reads = np.asarray(dma["enable"], bool) & ~np.asarray(dma["write"], bool)
        tensor_reads = np.asarray(tensor["enable"], bool) & ~np.asarray(dma["enable"], bool)
        for port, part, where in (("dma", dma_reads, dma["address"]), ("tensor", tensor_reads, tensor["address"])):
            if part.any():
                address = np.asarray(where, np.int64)
                updates.append((self.b_out, part, address // bank_words, self._read(port, part, address)))
                self.b_bank[part] = address[part] // bank_words
        commits = [*out["written_a"], out["written_b"]]
        self._report_collisions(commits)
        for commit, defined in zip(commits, [*out["defined_a"], out["defined_b"]], strict=True):
            self._write(commit, defined)
        for register, part, banks, words in updates:
            rows = np.flatnonzero(part)
            register[rows, banks[rows]] = words
        self.cycle += 1

    def _report_unmerged(self, out: dict[str, Any]) -> None:
        """Reads of unknown words that were due to be merged in this cycle and are not."""
        if not self._maybe_merged:
            return
        writes = {**{f"access{e}": commit for e, commit in enumerate(out["written_a"])}, "dma": out["written_b"]}
        waiting = []
        for read in self._maybe_merged:
            cycle, port, row, address = read
            if self.cycle < cycle + _MERGES[port]:
                waiting.append(read)
            elif not (writes[port]["enable"][row] and writes[port]["address"][row] == address):
                self.undefined.append(read)
        self._maybe_merged = waiting

    def _report_collisions(self, commits: list[dict[str, Any]]) -> None:
        both = commits[2]["enable"]
        if not both.any():
            return
        for commit in commits[:ENGINES]:
            same = both & commit["enable"] & (commit["address"] == commits[2]["address"])
            same &= (commit["granules"] & commits[2]["granules"]) != 0
            self.collisions += [(self.cycle, int(row), int(commit["address"][row])) for row in np.flatnonzero(same)]
