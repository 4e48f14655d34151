"""Lockstep model of all PSUM slices of a core at once: arrays over partitions, the same ports as `PsumSlice`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.sim_models.golden.arithmetic import fp32_add
from makalu.sim_models.golden.formats import carried_by, narrow
from makalu.sim_models.golden.random_bits import Generators, random_bits
from makalu.spec.background import EXPONENT_LEAD
from makalu.spec.config import CoreConfig
from makalu.spec.formats import CARRIED, FP32, HALF_SUM
from makalu.spec.memory_map import ENGINES, PSUM_HALVES, PSUM_WORD_BITS
from makalu.spec.tensor_types import CARRIED_PLACES

from .taking_part import taking_part
from .tensor_control import BackgroundWave, Wave

__all__ = ["PsumModel"]

_BOTH = (1 << PSUM_HALVES) - 1
_HALF_BITS = np.uint32(PSUM_WORD_BITS // PSUM_HALVES)
_LOW = np.uint32((1 << int(_HALF_BITS)) - 1)
_WAVE = ("valid", *Wave._fields)
_BACKGROUND = ("valid", *BackgroundWave._fields)
_NO_BACKGROUND = BackgroundWave(*(0,) * len(BackgroundWave._fields))
_EXPONENT = (1 << CARRIED.bits - 1 - CARRIED_PLACES) - 1
_NO_WAVE = Wave(*(0,) * len(Wave._fields))


class PsumModel:
    """word[p, d] = round(column [+ word]) of each moving column, or one half that rounded once more or what the column
    carries, P partitions side by side.

    Inputs of a cycle, by port name:

    - `column`: uint32 [P], the finalised fp32 of each chain word.
    - `wave_in`: dict of arrays [P], valid and the fields of `Wave` (a core connects slice p to p - 1's `wave_out`).
    - `access`: two dicts enable, address, start, count (the same for all partitions).
    - `bits`, `background_in`, where there are background transposes: int [P], the 16 bits on each column's chain;
      dict of arrays [P], valid and the fields of `BackgroundWave`.
    - `seeding`, where sums are rounded stochastically: {start, seed}.

    Outputs: `wave_out` (dict of arrays), `read_data` uint32 [2, P], `commit`: dict of arrays valid, address,
    halves, data.

    `undefined` collects (cycle, reader, partition, address) of reads of elements that were never written; reader is
    "wave", "access0" or "access1".

    Does not: arbitrate, or hold back a column whose destination is in the adder: arbiter and tensor head do. Where
    nothing was written an element is 0 here, anything in the RTL.

    Parameters
    ----------
    config : CoreConfig

    Errors: reads of unwritten elements are listed, not raised. `KeyError`: an input is missing; `IndexError`: an
    address beyond the partition.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        psum, count = config.psum, config.partitions
        self.cycle = 0
        self.memory = np.zeros((count, psum.banks * psum.bank_elems), np.uint32)
        self.known = np.zeros(self.memory.shape, np.uint8)
        """Of each word the halves that were written, a bit each."""
        self.bank_out = np.zeros((count, psum.banks), np.uint32)
        self.read_bank = np.zeros((1 + ENGINES, count), np.int64)  # the wave's, then the engines'
        self.wave = {name: np.zeros(count, np.int64) for name in _WAVE}
        self._carries_wave = False
        """Some slice's `wave` is not 0 throughout."""
        self.background = {name: np.zeros(count, np.int64) for name in _BACKGROUND}
        """Destinations of the bits of this cycle."""
        self._moved = np.zeros(count, np.bool_)
        """Slices that take part in them."""
        self.undefined: list[tuple[int, str, int, int]] = []
        self.generators = Generators("psum", count) if config.stochastic_sums else None
        if self.generators is not None:
            self.generators.state[:] = 0  # of reset
        self._rows = np.arange(count)
        nothing = np.zeros(count, np.int64)
        self._nothing = {"valid": nothing.astype(bool), "address": nothing, "halves": nothing}
        self._nothing |= {"data": nothing.astype(np.uint32)}
        # s1 (column) to the stage in front of the commit: who, where, and once the column is there, what
        self._stages: list[dict[str, NDArray[Any]]] = [dict(self._nothing) for _ in range(1 + psum.add_stages)]

    @property
    def old(self) -> NDArray[np.uint32]:
        """What this cycle's columns are added to, where their waves accumulate: words, or halves as numbers of fp32."""
        old: NDArray[np.uint32] = self.bank_out[self._rows, self.read_bank[0]]
        if not self.config.tensor.rounds:
            return old
        halves, upper = self.wave["halves"], ~_LOW
        return np.where(halves == _BOTH, old, np.where(halves == 1, old << _HALF_BITS, old & upper))

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        last = self._stages[-1]
        return {
            "wave_out": {name: value.copy() for name, value in self.wave.items()},
            "read_data": self.bank_out[self._rows[None, :], self.read_bank[1:]],
            "commit": {name: last[name].copy() for name in ("valid", "address", "halves", "data")},
        }

    def wave_in(self, wave: Wave | None) -> dict[str, NDArray[np.int64]]:
        """This cycle's `wave_in` in a core: the head's wave enters slice 0 and rides down, a slice a cycle."""
        if wave is None and not self._carries_wave:
            return self.wave
        first = {"valid": wave is not None, **(wave or _NO_WAVE)._asdict()}
        return {name: np.concatenate([[first[name]], later[:-1]]) for name, later in self.wave.items()}

    def background_in(self, wave: BackgroundWave | None) -> dict[str, NDArray[np.int64]]:
        """As `wave_in`, of the transposes beside matmuls."""
        if wave is None and not np.count_nonzero(self.background["valid"]):
            return self.background
        first = {"valid": wave is not None, **(wave or _NO_BACKGROUND)._asdict()}
        return {name: np.concatenate([[first[name]], later[:-1]]) for name, later in self.background.items()}

    def moved(self, bits: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """What the memory takes of the chains of bits in this cycle: `bits` int [P], half a word a partition."""
        places = self.background["address"]
        exponent = (bits >> CARRIED_PLACES) - EXPONENT_LEAD & _EXPONENT
        kept = (1 << CARRIED_PLACES) - 1
        half = bits & kept | exponent << CARRIED_PLACES | bits >> int(_HALF_BITS) - 1 << int(_HALF_BITS) - 1
        return {
            "valid": self._moved.copy(),
            "address": places // PSUM_HALVES,
            "halves": 1 << places % PSUM_HALVES,
            "data": (half << int(_HALF_BITS) | half).astype(np.uint32),
        }

    def _readers(self, inputs: dict[str, Any]) -> list[tuple[int, str, NDArray[np.bool_], NDArray[np.int64]]]:
        """Place in `read_bank`, name, who reads, what; lowest priority first."""
        wave = inputs["wave_in"]
        readers = []
        for e in reversed(range(ENGINES)):
            command = inputs["access"][e]
            if command["enable"]:
                part = taking_part(command["start"], command["count"], len(self._rows))
                readers.append((1 + e, f"access{e}", part, np.full(part.shape, command["address"], np.int64)))
        accumulate = np.asarray(wave["accumulate"]) != 0
        if accumulate.any():
            readers.append((0, "wave", self.wave_part(wave) & accumulate, np.asarray(wave["address"], np.int64)))
        return readers

    def wave_part(self, wave: dict[str, Any]) -> NDArray[np.bool_]:
        above = self._rows - np.asarray(wave["first"])
        part: NDArray[np.bool_] = (
            (np.asarray(wave["valid"]) != 0) & (above >= 0) & (above < np.asarray(wave["columns"]))
        )
        return part

    def tick(self, inputs: dict[str, Any]) -> None:
        bank_elems = self.config.psum.bank_elems
        total = column = np.asarray(inputs["column"], np.uint32)
        if self._carries_wave:
            total = self._total(column)
        commit = self._stages[-1]

        # reads see the memory as it was before this edge
        updates = []
        for slot, reader, part, address in self._readers(inputs):
            rows = np.flatnonzero(part)
            if rows.size == 0:
                continue
            where = address[rows]
            known = self.known[rows, where]
            # a sum needs all of its halves; of an engine's read, only the golden machine knows which half it wants
            wanted = np.asarray(inputs["wave_in"]["halves"])[rows] if self.config.tensor.rounds else _BOTH
            for row in rows[known & wanted != wanted if slot == 0 else known == 0]:
                self.undefined.append((self.cycle, reader, int(row), int(address[row])))
            updates.append((rows, where // bank_elems, self.memory[rows, where].copy()))
            self.read_bank[slot, rows] = where // bank_elems
        rows = np.flatnonzero(commit["valid"])
        if rows.size:
            self._write(rows, commit["address"][rows], commit["halves"][rows], commit["data"][rows])
        if self.config.tensor.background:
            self._move(inputs)
        for rows, banks, elements in updates:
            self.bank_out[rows, banks] = elements

        wave = inputs["wave_in"]
        entered = dict(self._nothing)
        if wave is not self.wave:
            entered |= {"valid": self.wave_part(wave)}
            entered |= {name: np.array(wave[name], np.int64) for name in ("address", "halves")}
        self._stages[0]["data"] = total.astype(np.uint32)  # of the column that is visible now
        self._stages = [entered, *self._stages[:-1]]
        if wave is not self.wave:  # else none rides down, and none enters
            self.wave = {name: np.array(wave[name], np.int64) for name in _WAVE}
            self._carries_wave = any(np.count_nonzero(values) for values in self.wave.values())
        if self.generators is not None and inputs["seeding"]["start"]:
            self.generators.start(inputs["seeding"]["seed"])
        self.cycle += 1

    def _total(self, column: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """What this cycle's columns become, in both halves where only one is written."""
        total, accumulate, halves = column, self.wave["accumulate"] != 0, self.wave["halves"]
        if accumulate.any():
            added = fp32_add(column, self.old, subnormals=self.config.tensor.subnormals)
            total = np.where(accumulate, added, column)
        if self.config.tensor.halves and (halves != _BOTH).any():
            half = self._half(total)
            total = np.where(halves == _BOTH, total, half << _HALF_BITS | half)
        return total

    def _move(self, inputs: dict[str, Any]) -> None:
        rows = np.flatnonzero(self._moved)
        if rows.size:
            moved = self.moved(inputs["bits"])
            self._write(rows, *(moved[name][rows] for name in ("address", "halves", "data")))
        wave = inputs["background_in"]
        above = self._rows - wave["first"]
        self._moved = (wave["valid"] != 0) & (above >= 0) & (above < wave["columns"])
        self.background = wave

    def _half(self, totals: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """What goes to half a word: the shorter sum, or the bits that it carries."""
        if not self.config.tensor.rounds:
            return carried_by(totals).astype(np.uint32)
        # of a word the upper half, to nearest even: the lower one as a number counts halves of its last place
        low, upper = totals & _LOW, totals >> _HALF_BITS
        middle = np.uint32(1 << int(_HALF_BITS) - 1)
        up = (low > middle) | ((low == middle) & (upper & np.uint32(1) == 1))
        nan = totals & np.uint32(FP32.magnitude_mask) > FP32.infinity
        rounded = np.where(nan, np.uint32(HALF_SUM.canonical_nan), upper + up)
        if self.generators is not None:
            # the order of a partition's columns is that of their writes; one that is not written takes no bits
            halved = (self.wave["halves"] != _BOTH) & (self.wave["rounding"] != 0)
            rounded = np.where(halved, narrow(HALF_SUM, totals, random_bits(self.generators.state)), rounded)
            if (rows := np.flatnonzero(halved & self.wave_part(self.wave))).size:
                self.generators.draw(rows, 1)
        carried = carried_by(totals).astype(np.uint32)
        return np.where(self.wave["carried"] != 0, carried, rounded).astype(np.uint32)

    def _write(self, rows: NDArray[Any], where: NDArray[Any], halves: NDArray[Any], words: NDArray[Any]) -> None:
        """The halves that are named, of a word a row."""
        if not self.config.tensor.halves:
            halves = np.full_like(halves, _BOTH)
        for half in range(PSUM_HALVES):
            takes = halves >> half & 1 == 1
            place = rows[takes], where[takes]
            mask = np.uint32(((1 << int(_HALF_BITS)) - 1) << half * int(_HALF_BITS))
            self.memory[place] = self.memory[place] & ~mask | words[takes] & mask
            self.known[place] |= 1 << half
