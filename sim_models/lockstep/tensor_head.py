"""Lockstep model of the tensor engine's head: what `TensorHead` shows in every cycle."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction
from makalu.spec.formats import ACCUMULATOR, CARRIED, FORMAT_OF_CODE, Format
from makalu.spec.frame import ACCEPT_SLOT, MOVING_SLOT, SLOTS
from makalu.spec.isa import LOADS, Opcode
from makalu.spec.latency import (
    LOAD_LEAD,
    WORD_LEAD,
    column_delay,
    commit_delay,
    hazard_window,
    row_delay,
    swap_guard,
)
from makalu.spec.memory_map import PSUM_HALVES
from makalu.spec.sparsity import SPARSE_SLOT, deskew
from makalu.spec.tensor_modes import MODES, Mode

from ..golden.operand import operand
from ..golden.walker import addresses
from .background import BackgroundTimes
from .scales import ScaleReads
from .segments import Segment, segments_of
from .tensor_control import Column, EdgeControl, Lookup, Read, Turn, Wave
from .tensor_ends import Ends
from .tensor_loads import LoadTimes

__all__ = ["TensorHeadModel"]


@dataclass
class _Matmul:
    segments: deque[Segment]
    destinations: deque[int]
    """Byte addresses."""
    into: Format
    rounding: int
    dtype: int
    part: int
    rows: int
    swap: bool
    accumulate: bool
    first: int
    columns: int
    start: int
    count: int
    scaled: bool
    ratio: int
    """Candidates of a sparse tile in each partition, else 0."""
    offset: int
    """Of exponents."""


@dataclass
class _Held:
    """A segment whose words are in line buffers, or come to them."""

    segment: Segment
    buffer: int
    """Of its first row."""
    read: int
    """Cycle of the last word that was read."""
    words: int = 1
    gone: int = field(default=0)


class TensorHeadModel:
    """Control of partition 0, cycle by cycle.

    Inputs of a cycle: `command` (an `Instruction`, or None while not valid), `frame`; `fault` (0 if it is missing).

    Outputs: `ready` (meaningful with a command), `control` (EdgeControl), `wave` (Wave or None), `background`
    (BackgroundWave or None), `finish_load`,
    `finish_matmul`, `error_load`, `error_matmul`, `owned` (bits), `active`, `stalled`.

    Does not: know data; walk partitions (`TensorEdgesModel` does).
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.cycle = 0
        self._both = (1 << PSUM_HALVES) - 1 if config.tensor.halves else 0
        self._to_psum, self._to_commit = column_delay(config), commit_delay(config)
        self._scales = ScaleReads(config) if config.tensor.quads else None
        self._queued: _Matmul | None = None
        """Accepted ahead for the sake of its scales."""
        # loads
        self._loads = LoadTimes(config, self._scales)
        self._pending = False
        self._swap_waits = False
        self._swapped: int | None = None
        """Cycle of the last column with a swap."""
        # matmuls
        self._fetching: _Matmul | None = None
        self._waiting: _Matmul | None = None
        self._sending: _Matmul | None = None
        self._first = False
        self._held: deque[_Held] = deque()
        self._words = 0
        self._row = 0
        """Of the next segment, which is read next."""
        self._column: Column | None = None
        self._was_busy = False
        self._sent: deque[tuple[int, int, int]] = deque(maxlen=hazard_window(config))
        """Of the last columns the cycle at the edge, the word of PSUM and its halves."""
        # what follows
        self._waves: dict[int, tuple[Wave, bool, bool]] = {}
        """And whether it is its matmul's first behind a load, and its matmul's last."""
        self._background = BackgroundTimes(config) if config.tensor.background else None
        self._ends = Ends(self._background)
        self._tagged = False
        """A sparse load was accepted since the engine was last at rest."""
        # faults since the engine was last at rest
        self._faulted = self._masks = False
        self._bad_from: int | None = None
        """Cycle from which a wave with a swap is of weights with a bad tag, or behind such weights."""
        self._owned_until = [-1] * config.psum.banks
        self._owned_from: deque[tuple[int, int]] = deque()
        self._outstanding = 0

    @property
    def under_way(self) -> int:
        """Matmuls and transposes that were accepted and not told to have finished."""
        return self._ends.under_way

    @property
    def told_late(self) -> bool:
        """An end waits for its turn."""
        return self._ends.late

    @property
    def buffers_held(self) -> int:
        """Segments whose words are in line buffers, or come to them."""
        return len(self._held)

    @property
    def waits_for_bits(self) -> bool:
        """The next matmul could begin, but for bits of a transpose on their way to its bank."""
        waiting = self._waiting if self._sending is None else None
        return waiting is not None and self._moves(self._bank(waiting.destinations[0]))

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        t, slot, command = self.cycle, inputs["frame"] % SLOTS, inputs["command"]
        ready, transposes = False, command is not None and command.opcode == Opcode.TRANSPOSE
        if command is not None and (transposes or command.opcode in LOADS):
            column = command["dst_partition" if transposes else "column"]
            behind = self._swapped is None or t >= self._swapped + swap_guard(self.config, column)
            enough = t + LOAD_LEAD > self._loads.last_group and not self._swap_waits and behind
            ready = slot == ACCEPT_SLOT and enough and (self._scales is None or self._scales.idle)
            if command.opcode != Opcode.LOAD_SPARSE and self._fetching is not None and self._fetching.ratio:
                ready = False
            if transposes:
                ready = ready and self._clear(t, self._bank(command["dst_offset"]))
        elif command is not None and MODES[Mode(command["mode"])].scaled:
            assert self._scales is not None
            ready = self._queued is None and self._scales.idle
        elif command is not None:
            ready = self._queued is None and self._free()
        load, faulted = t in self._ends.cycles["load"], self._faulted or bool(inputs.get("fault"))
        end = self._ends.told(t)
        return {
            "ready": ready,
            "control": EdgeControl(
                self._read(slot), self._loads.groups.get(t), self._column, self._lookup(t), self._turn(t)
            ),
            "background": self._background and self._background.waves.get(t),
            "wave": None if t not in self._waves or self._masked() else self._waves[t][0],
            "finish_load": load and not faulted,
            "finish_matmul": end in ("finish_matmul", "transposed"),
            "error_load": load and faulted,
            "error_matmul": end == "error_matmul",
            "owned": sum(1 << bank for bank, until in enumerate(self._owned_until) if until >= t or self._moves(bank)),
            "active": self._outstanding > 0,
            "stalled": self._was_busy and self._column is None,
        }

    def _bank(self, byte: int) -> int:
        return byte // self.config.psum.bank_bytes

    def _moves(self, bank: int) -> bool:
        """Bits of a transpose are on their way to this bank."""
        return self._background is not None and self._background.owns(bank, self.cycle)

    def _turn(self, t: int) -> Turn | None:
        return None if self._background is None else self._background.turns.get(t)

    def _clear(self, t: int, bank: int) -> bool:
        """A transpose to this bank may be accepted, as far as others than loads go."""
        assert self._background is not None
        ahead = [matmul.destinations[0] for matmul in (self._queued, self._waiting, self._sending) if matmul]
        sums = bank in map(self._bank, ahead) or self._owned_until[bank] >= t or (t, bank) in self._owned_from
        return self._background.free(t) and not sums and not (self._tagged and self._outstanding)

    def _free(self) -> bool:
        """A matmul can begin to be fetched."""
        return self._fetching is None and self._waiting is None

    def _masked(self) -> bool:
        """The wave of this cycle is not written."""
        _, swap, _ = self._waves.get(self.cycle, (None, False, False))
        return self._masks or (swap and self._bad_from is not None and self.cycle >= self._bad_from)

    def _lookup(self, t: int) -> Lookup | None:
        if self._scales is None:
            return None
        column = None
        if self._sending is not None and self._sending.scaled and self._may_send(t + 1):
            column = self._scales.place
        here = Lookup(column, self._scales.groups.get(t))
        return None if here == (None, None) else here

    def _read(self, slot: int) -> Read | None:
        matmul = self._fetching
        buffers = self.config.tensor.moving_buffers
        its_slot = slot == MOVING_SLOT or (slot == SPARSE_SLOT and matmul is not None and matmul.ratio > 0)
        if matmul is not None and its_slot and sum(held.words for held in self._held) < buffers:
            address = matmul.segments[0].addresses[self._row]
            return Read(1, address, self._words % buffers, matmul.start, matmul.count)
        if self._scales is not None and (scale := self._scales.read(self.cycle, slot)) is not None:
            return scale
        return self._loads.reads.get(self.cycle)

    def tick(self, inputs: dict[str, Any], out: dict[str, Any] | None = None) -> None:
        """`out`: what `comb` gave for the same inputs in the same cycle, if the caller has it."""
        t, command = self.cycle, inputs["command"]
        out = out or self.comb(inputs)
        read = out["control"].read
        busy = self._waiting is not None or self._sending is not None
        begins = self._queued is not None and self._free()
        self._decide_column(t + 1)
        waiting = self._waiting
        held_up = waiting is not None and (
            (waiting.swap and t < self._loads.first_group) or self._moves(self._bank(waiting.destinations[0]))
        )
        if self._sending is None and waiting is not None and not held_up:
            self._sending, self._waiting, self._first = waiting, None, True
        if read is not None and read.moving and not read.scale:
            assert self._fetching is not None
            segment = self._fetching.segments[0]
            if self._row:
                self._held[-1].read, self._held[-1].words = t, self._row + 1
            else:
                self._held.append(_Held(segment, read.buffer, t))
            self._words += 1
            self._row = (self._row + 1) % len(segment.addresses)
            if not self._row:
                self._fetching.segments.popleft()
            if not self._fetching.segments:
                self._fetching = None
        if read is not None and read.scale and self._scales is not None and t > self._scales.loading:
            self._scales.was_read(t)
        if begins:
            self._fetching = self._waiting = self._queued
            self._queued = None
        self._note_faults(t, bool(inputs.get("fault")))
        self._ends.step(t)
        self._tagged = self._tagged and self._outstanding > 0
        if self._background is not None and t + 1 in self._background.turns:
            self._swap_waits, self._swapped = False, t + 1
        self._outstanding -= sum(out[f"{kind}_{part}"] for kind in ("finish", "error") for part in ("load", "matmul"))
        if out["ready"]:
            self._outstanding += 1
            if command.opcode in LOADS or command.opcode == Opcode.TRANSPOSE:
                self._accept_load(t, command)
            else:
                self._accept_matmul(command)
        self._was_busy = busy
        self._loads.forget(t)
        self._waves.pop(t, None)
        if self._scales is not None:
            self._scales.groups.pop(t, None)
        self._ends.forget(t)
        if self._background is not None:
            self._background.forget(t)
        while self._owned_from and self._owned_from[0][0] == t:
            self._owned_until[self._owned_from.popleft()[1]] = t + self._to_commit
        self.cycle = t + 1

    def _note_faults(self, t: int, fault: bool) -> None:
        masked = self._masked()
        if t in self._waves and self._waves[t][2]:
            end = "error_matmul" if masked else "finish_matmul"
            self._ends.cycles[end].add(t + self._to_commit - self._to_psum)
        self._masks = masked
        if fault and not self._faulted:
            # as the wave at the head is later than a tag that its load has read
            self._bad_from = t + deskew(self.config.tensor) + self.config.tensor.mul_stages + 1
        self._faulted |= fault
        if not self._outstanding:
            self._faulted, self._masks, self._bad_from = False, False, None

    def _accept_load(self, a: int, load: Instruction) -> None:
        self._tagged |= load.opcode == Opcode.LOAD_SPARSE
        self._loads.accept(a, load)
        if load.opcode == Opcode.TRANSPOSE:
            assert self._background is not None
            self._background.accept(a, load)
            self._ends.begin("transposed")
            self._swap_waits = True
            return
        self._ends.cycles["load"].add(self._loads.last_group + row_delay(self.config))
        self._pending = True

    def _accept_matmul(self, matmul: Instruction) -> None:
        target = operand(matmul, "dst", count=matmul["columns"])
        places = addresses(target.offset, target.format.bytes, target.sizes, target.strides)
        mode = MODES[Mode(matmul["mode"])]
        accepted = _Matmul(
            segments=deque(segments_of(matmul, self.config)),
            destinations=deque(places.tolist()),
            into=target.format,
            rounding=matmul["rounding"],
            dtype=matmul["src0_dtype"],
            part=matmul["part"],
            rows=mode.rows,
            swap=self._pending,
            accumulate=bool(matmul["accumulate"]),
            first=matmul["dst_partition"],
            columns=matmul["columns"],
            start=matmul["src0_partition"],
            count=matmul["partitions"],
            scaled=mode.scaled,
            ratio=matmul["src0_size3"] if mode.tagged else 0,
            offset=matmul["exponent_offset"],
        )
        if accepted.scaled:
            assert self._scales is not None
            self._queued = accepted
            self._scales.matmul(matmul)
        else:
            self._fetching = self._waiting = accepted
        self._swap_waits |= self._pending
        self._pending = False
        self._ends.begin("finish_matmul")

    def _may_send(self, h: int) -> bool:
        """The next column can be at the edge in cycle h."""
        matmul = self._sending
        if matmul is None or not self._held or h < self._held[0].read + WORD_LEAD:
            return False
        if self._held[0].words < len(self._held[0].segment.addresses):
            return False
        if matmul.scaled and self._scales is not None and not self._scales.there(h):
            return False
        return not (matmul.accumulate and self._hazard(h, *self._destination(matmul)))

    def _destination(self, matmul: _Matmul) -> tuple[int, int]:
        """Word of PSUM of the next column, and the halves of it that are written."""
        word, byte = divmod(matmul.destinations[0], ACCUMULATOR.bytes)
        return word, self._both if matmul.into == ACCUMULATOR else 1 << byte // CARRIED.bytes

    def _hazard(self, h: int, word: int, halves: int) -> bool:
        """A sum for these halves, at the edge in cycle h, would miss one on its way to them, or read beside a write."""
        window = hazard_window(self.config)
        for cycle, its, others in self._sent:
            if its != word or h - cycle > window:
                continue
            if others & halves or others == halves or h - cycle == window:
                return True
        return False

    def _decide_column(self, h: int) -> None:
        """Which column, if any, is at the edge in cycle h, the next one."""
        self._column = None
        matmul = self._sending
        if matmul is None or not self._may_send(h):
            return
        destination, halves = self._destination(matmul)
        held = self._held[0]
        swap = matmul.swap and self._first
        larger = FORMAT_OF_CODE[matmul.dtype].size_log2 - self.config.tensor.smallest
        place = held.segment.place + held.gone << larger
        kind = matmul.dtype, matmul.part, int(matmul.rows > 1), matmul.ratio, matmul.offset
        self._column = Column(int(swap), held.buffer, place, *kind)
        self._first = False
        held.gone += 1
        if held.gone == held.segment.length:
            self._held.popleft()
        if swap:
            self._swap_waits, self._swapped = False, h
        matmul.destinations.popleft()
        self._sent.append((h, destination, halves))
        carried = int(matmul.into == CARRIED and self.config.tensor.rounds)
        accumulate = int(matmul.accumulate)
        wave = Wave(destination, halves, carried, matmul.rounding, accumulate, matmul.first, matmul.columns)
        self._waves[h + self._to_psum] = wave, swap, not matmul.destinations
        self._owned_from.append((h, destination // self.config.psum.bank_elems))
        if matmul.scaled and self._scales is not None:
            self._scales.send(h, last=not matmul.destinations)
        if not matmul.destinations:
            self._sending = None
