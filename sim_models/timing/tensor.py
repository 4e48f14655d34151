"""Timing of the tensor engine: accept, columns and finish of every instruction, without data and without stepping."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from makalu.spec.background import TURN
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.engines import Channel
from makalu.spec.formats import ACCUMULATOR, FORMAT_OF_CODE, Format
from makalu.spec.frame import ACCEPT_SLOT, MOVING_SLOT, SLOTS, STATIONARY_SLOTS
from makalu.spec.isa import AP_DIMS, LOADS, Opcode
from makalu.spec.latency import LOAD_LEAD, WORD_LEAD, commit_delay, hazard_window, row_delay, swap_guard
from makalu.spec.loading import groups_of_a_word, load_span, word_cycle
from makalu.spec.memory_map import PSUM_HALVES
from makalu.spec.scales import MOVING_ENTRIES, load_lead, scale_lead, scale_release, scale_words, scales_apart
from makalu.spec.sparsity import SPARSE_SLOT, tag_lead
from makalu.spec.tensor_modes import MODES, Mode

from ..golden.walker import addresses
from .background import BackgroundTiming
from .waits import EngineWork, Hold

__all__ = ["TensorTimes", "TensorTiming"]

LOAD, MATMUL = Channel.TENSOR_LOAD.name.lower(), Channel.MATMUL.name.lower()
"""Names of the finish channels."""

Cycles = NDArray[np.int64]

_BOTH = (1 << PSUM_HALVES) - 1
_DENSE_SLOTS, _SPARSE_SLOTS = (MOVING_SLOT,), (SPARSE_SLOT, MOVING_SLOT)


@dataclass(frozen=True)
class TensorTimes:
    """Cycles of one instruction; `first` and `last` are its groups or columns at the edge of row 0."""

    accept: int
    first: int
    last: int
    finish: int


class TensorTiming:
    """Times of loads and matmuls from the cycles in which they are issued.

    Nothing outside the engine can hold it once an instruction is accepted, so everything about an instruction is known
    when it is issued. Work per instruction: one step a segment (an SBUF word of each row), one a column only where
    destinations of an accumulating matmul may return within A + 1 columns.

    Does not: know data; check instructions.

    Parameters
    ----------
    config
        The core. Cycle 0 is the first after reset: its frame counter is 0.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        tensor, psum = config.tensor, config.psum
        self.times: TensorTimes | None = None
        """Of the instruction that was issued last."""
        self._rows_delay, self._commit_delay = row_delay(config), commit_delay(config)
        self._window = hazard_window(config)
        # earliest accepts
        self._last_accept = -1
        self._load_after = 0
        self._swapped: int | None = None
        """The last column with a swap."""
        self._matmul_after = 0
        self._scaled_after = 0
        self._sparse_read = -1
        """The last word of the last sparse moving tile."""
        self._first_group = 0
        """Of the last sparse load: its swap follows it."""
        self._pending = False
        # words of scales: when a load has read all of its words, when the last of a matmul's was read, and from when on
        # the place of each may be taken again
        self._loaded, self._last_scale = -1, -1 - scales_apart(config)
        self._places: deque[int] = deque([-1] * MOVING_ENTRIES, maxlen=MOVING_ENTRIES)
        # where the last matmul is
        self._last_read = -1
        self._last_column = -1
        self._recent: deque[tuple[int, int]] = deque(maxlen=self._window)
        self._background = BackgroundTiming(config)
        self._tagged = False
        """A sparse load was accepted since the engine was last at rest."""
        self._last_told = self._last_finish = -1
        self._emptied: deque[int] = deque([-1] * tensor.moving_buffers, maxlen=tensor.moving_buffers)
        # what is still to come
        self._finishes: list[tuple[int, str]] = []
        self._owned: list[deque[tuple[int, int]]] = [deque() for _ in range(psum.banks)]
        self.load_work: list[EngineWork] = []
        self.matmul_work: list[EngineWork] = []

    def next_accept(self, t: int, instruction: Instruction) -> int:
        """Earliest cycle >= t in which the instruction, valid from t on, would be accepted."""
        t = max(t, self._last_accept + 1)
        transposes = instruction.opcode == Opcode.TRANSPOSE
        if transposes or instruction.opcode in LOADS:
            read = self._sparse_read if instruction.opcode != Opcode.LOAD_SPARSE else -1
            if self._swapped is not None:
                column = instruction["dst_partition" if transposes else "column"]
                t = max(t, self._swapped + swap_guard(self.config, column))
            if transposes:
                t = max(t, self._background.after(instruction), self._last_finish + 1 if self._tagged else 0)
            return _at_slot(max(t, self._load_after, read + 1), ACCEPT_SLOT)
        return max(t, self._scaled_after if MODES[Mode(instruction["mode"])].scaled else self._matmul_after)

    def issue(self, t: int, instruction: Instruction) -> None:
        """The instruction is accepted in cycle t."""
        self._last_accept = t
        self._tagged = (self._tagged and t <= self._last_finish) or instruction.opcode == Opcode.LOAD_SPARSE
        if instruction.opcode in LOADS:
            self.times, channel = self._load(t, instruction), LOAD
        elif instruction.opcode == Opcode.TRANSPOSE:
            self.times, channel = self._transpose(t, instruction), MATMUL
        else:
            self.times, channel = self._matmul(t, instruction), MATMUL
        if channel is MATMUL:  # told in the order of acceptance, one a cycle
            told = max(self.times.finish, self._last_told + 1)
            self.times, self._last_told = replace(self.times, finish=told), told
        self._last_finish = max(self._last_finish, self.times.finish)
        heapq.heappush(self._finishes, (self.times.finish, channel))

    def next_event(self) -> int | None:
        """Cycle of the next finish."""
        return self._finishes[0][0] if self._finishes else None

    def advance(self, t: int) -> list[tuple[int, str]]:
        """Finishes (cycle, channel) up to and including cycle t, in order, each once."""
        out = []
        while self._finishes and self._finishes[0][0] <= t:
            out.append(heapq.heappop(self._finishes))
        for intervals in self._owned:
            while intervals and intervals[0][1] < t:
                intervals.popleft()
        return out

    def work_of(self, channel: Channel) -> list[EngineWork]:
        return {Channel.TENSOR_LOAD: self.load_work, Channel.MATMUL: self.matmul_work}[channel]

    def owned_banks(self, first: int, last: int) -> int:
        """Mask of the PSUM banks that are owned in any of the cycles first .. last, from the last `advance` on."""
        mask = 0
        for bank, intervals in enumerate(self._owned):
            if any(begin <= last and first <= end for begin, end in intervals):
                mask |= 1 << bank
        return mask

    def _transpose(self, a: int, instruction: Instruction) -> TensorTimes:
        """Loads, and then takes nothing that a matmul needs but, for a moment, the shadow registers and its bank."""
        pending, work = self._pending, len(self.load_work)
        self._load(a, instruction)
        self._pending, self._swapped = pending, a + TURN
        del self.load_work[work:]
        first, last, own = self._background.issue(a, instruction)
        self._owned[self._background.bank(instruction)].append(own)
        self._work(a, last, last - first + 1, {Hold.START: first - a - 1})
        return TensorTimes(a, first, last, own[1])

    def _work(self, issued: int, last: int, moved: int, holds: dict[Hold, int]) -> None:
        """Notes the cycles that are not of what is before it in the channel: a transpose is busy beside matmuls."""
        before = self.matmul_work[-1].last if self.matmul_work else issued
        left, given = max(0, last - max(issued, before)), {}
        for hold, cycles in ((None, moved), *holds.items()):
            given[hold] = min(cycles, left)
            left -= given[hold]
        moved = given.pop(None)
        self.matmul_work.append(EngineWork(max(last, before), moved, {k: v for k, v in given.items() if k is not None}))

    def _load(self, a: int, instruction: Instruction) -> TensorTimes:
        groups = -(-instruction["src0_size0"] // self.config.tensor.load_columns)
        sparse = instruction.opcode == Opcode.LOAD_SPARSE
        form = FORMAT_OF_CODE[instruction["src0_dtype"]]
        mode = MODES[Mode.SPARSE if sparse else Mode(instruction["mode"])]
        span = load_span(form, groups, sparse=sparse)
        start = a + load_lead(self.config) if mode.scaled else a
        if sparse:
            start = a + tag_lead(self.config)
            self._first_group = start + LOAD_LEAD
        self._pending = True
        self._load_after = max(self._load_after, start + span)
        words = -(-groups // groups_of_a_word(form)) * mode.rows
        self._loaded = start + 1 + word_cycle(form, words - 1, mode.rows, sparse=sparse)
        last = start + LOAD_LEAD + span - 1
        before = self.load_work[-1].last if self.load_work else a
        self.load_work.append(EngineWork(last, groups, {Hold.START: last - max(a, before) - groups}))
        return TensorTimes(a, start + LOAD_LEAD, last, last + self._rows_delay)

    def _scales(self, b: int, columns: int) -> Iterator[int]:
        """The first cycle in which a column with each word's scale may be at the edge, in turn; a word's place is free
        when `_used` says so, which must come before the word that takes it.
        """
        read = max(b, self._loaded, self._last_scale + scales_apart(self.config))
        for _ in range(scale_words(self.config, columns)):
            read = max(read + 1, self._places[0])
            if read % SLOTS >= STATIONARY_SLOTS:
                read = _at_slot(read, 0)
            self._last_scale = read
            yield read + scale_lead(self.config)

    def _used(self, cycle: int) -> None:
        """A word's last column is at the edge in this cycle."""
        self._places.append(cycle - 1 + scale_release(self.config))

    def _matmul(self, b: int, instruction: Instruction) -> TensorTimes:
        sizes, dst_strides = _pattern(instruction, "dst")
        _, moving_strides = _pattern(instruction, "src0")
        mode = MODES[Mode(instruction["mode"])]
        rows = instruction["src0_size3"] if mode.tagged else mode.rows
        slots = _SPARSE_SLOTS if mode.tagged else _DENSE_SLOTS
        scaled, accumulates = mode.scaled, instruction["accumulate"]
        word = self.config.sbuf.word_bytes
        element = FORMAT_OF_CODE[instruction["src0_dtype"]].bytes
        lengths = _segment_lengths(instruction["src0_offset"] % word, element, sizes, moving_strides, word)
        into = FORMAT_OF_CODE[instruction["dst_dtype"]]
        places = _places(addresses(instruction["dst_offset"], into.bytes, sizes, dst_strides), into)
        checked = self._checked(places) if accumulates else 0
        scales: Iterator[int] = iter(())
        if scaled:  # it was accepted ahead, for the sake of its scales
            checked, scales = len(places), self._scales(b, len(places))
            b = max(b + 1, self._matmul_after)

        taken = max(b + 1, self._last_column - 1, self._background.frees(instruction) + 1)
        if self._pending:
            taken = max(taken, self._first_group)
        read, sent = max(self._last_read, b), max(self._last_column, taken + 1)
        columns: Cycles = np.empty(len(places), np.int64)
        i = hazard = 0
        idle = max(b, self._last_column)
        for length in lengths:
            for row in range(rows):
                read = max(read + 1, self._emptied[row])
                if read % SLOTS not in slots:
                    read = _at_slot(read, slots[0])
            sent = max(sent, read + WORD_LEAD - 1)
            for _ in range(min(length, checked - i)):
                wanted = sent + 1
                if scaled and i % word == 0:
                    wanted = max(wanted, next(scales))
                sent = self._free(int(places[i]), wanted) if accumulates else wanted
                hazard += sent - wanted
                self._recent.append((int(places[i]), sent))
                columns[i] = sent
                i += 1
                if scaled and (i % word == 0 or i == len(places)):
                    self._used(sent)
                length -= 1
            columns[i : i + length] = np.arange(sent + 1, sent + 1 + length)
            i += length
            sent += length
            self._emptied.extend([sent] * rows)
        # those that were looked at one by one are there already
        behind = max(checked, len(places) - self._window)
        self._recent.extend(zip(places[behind:].tolist(), columns[behind:].tolist(), strict=True))
        self._own(places, columns)
        self._note(idle, columns, hazard)

        self._background.sums(instruction, sent + self._commit_delay)
        self._last_read, self._last_column = read, sent
        self._matmul_after = max(read, taken) + 1
        if mode.tagged:
            self._sparse_read = read
        if scaled:
            self._scaled_after = max(b, self._last_scale) + 1
            self._load_after = max(self._load_after, self._last_scale + 1)
        first = int(columns[0])
        if self._pending:
            self._pending = False
            self._swapped = first
        return TensorTimes(b, first, sent, sent + self._commit_delay)

    def _note(self, idle: int, columns: Cycles, hazard: int) -> None:
        """Columns since `idle`, the last cycle of the column before or the accept; each gap has one reason."""
        first, last = int(columns[0]), int(columns[-1])
        start = min(first - 1 - idle, last - idle - len(columns) - hazard)
        rest = last - idle - len(columns) - hazard - start
        self._work(idle, last, len(columns), {Hold.START: start, Hold.HAZARD: hazard, Hold.SBUF: rest})

    def _checked(self, places: Cycles) -> int:
        """How many of the first columns may meet a destination that was sent within the window."""
        words = places >> PSUM_HALVES
        near = any((words[k:] == words[:-k]).any() for k in range(1, min(self._window, len(words) - 1) + 1))
        return len(places) if near else min(len(places), self._window)

    def _free(self, place: int, cycle: int) -> int:
        """Earliest cycle from `cycle` on in which no half of `place` was sent within the window, nor the other half of
        its word as many cycles before.
        """
        beside = []
        for other, sent in self._recent:
            if other >> PSUM_HALVES == place >> PSUM_HALVES:
                if other & place & _BOTH:
                    cycle = max(cycle, sent + self._window + 1)
                else:
                    beside.append(sent + self._window)
        while cycle in beside:
            cycle += 1
        return cycle

    def _own(self, places: Cycles, columns: Cycles) -> None:
        """Intervals [h + 1, h + commit delay] of each bank, joined where they touch."""
        banks = (places >> PSUM_HALVES) // self.config.psum.bank_elems
        for bank in np.unique(banks).tolist():
            intervals = self._owned[bank]
            cycles = columns[banks == bank]
            cuts = np.flatnonzero(np.diff(cycles) > self._commit_delay) + 1
            for run in np.split(cycles, cuts):
                first, last = int(run[0]) + 1, int(run[-1]) + self._commit_delay
                if intervals and first <= intervals[-1][1] + 1:
                    first = intervals.pop()[0]
                intervals.append((first, last))


def _places(bytes_: Cycles, into: Format) -> Cycles:
    """Of each destination its word of PSUM, and below it a bit for each half that is written."""
    words = bytes_ // ACCUMULATOR.bytes
    halves = _BOTH if into == ACCUMULATOR else 1 << bytes_ % ACCUMULATOR.bytes // into.bytes
    return np.asarray(words << PSUM_HALVES | halves, np.int64)


def _at_slot(t: int, slot: int) -> int:
    """First cycle >= t in this slot of partition 0."""
    return t + (slot - t) % SLOTS


def _pattern(instruction: Instruction, slot: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    dims = range(AP_DIMS)
    return tuple(instruction[f"{slot}_size{d}"] for d in dims), tuple(instruction[f"{slot}_stride{d}"] for d in dims)


@lru_cache(maxsize=1024)
def _segment_lengths(
    offset: int, element: int, sizes: tuple[int, ...], strides: tuple[int, ...], word: int
) -> tuple[int, ...]:
    """Elements of each word read; an offset by whole words does not matter."""
    total = int(np.prod(sizes))
    if strides[0] != 1:
        return (1,) * total
    places = addresses(offset, element, sizes, strides)
    begins = np.flatnonzero((np.arange(total) % sizes[0] == 0) | (places % word == 0))
    return tuple(np.diff(np.append(begins, total)).tolist())
