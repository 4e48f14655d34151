"""Moving columns: one element a cycle to the array's edge, with its destination in PSUM."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.element import of_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.rules import Rules
from makalu.hw.lib.walker import Walker
from makalu.hw.psum.layouts import bank_elems_bits, wave
from makalu.hw.tensor.control import buffer_bits, column_control, operand_type
from makalu.hw.tensor.fetch import segment
from makalu.hw.tensor.hazard import HazardWindow
from makalu.spec.config import CoreConfig
from makalu.spec.formats import ACCUMULATOR, CARRIED
from makalu.spec.isa import FIELDS
from makalu.spec.memory_map import PSUM_HALVES
from makalu.spec.sparsity import RATIO_LIMIT

__all__ = ["ColumnUnit", "destination"]

_DESTINATION = [name for name in FIELDS if name.startswith("dst_")] + ["accumulate", "columns"]


def destination(config: CoreConfig) -> data.StructLayout:
    """What the column unit must know of a matmul: its destination's pattern, and whether it swaps the stationary."""
    names = [*_DESTINATION, *(["rounding"] if config.stochastic_sums else [])]
    return data.StructLayout({name: FIELDS[name].bits for name in names} | {"swap": 1})


class ColumnUnit(wiring.Component):
    """Elements of the segments in order, one a cycle, each with the next address of the destination's pattern.

    Does not: read SBUF; it numbers the line buffers and keeps what is in them.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    waiting: In(1), next: In(destination(config))
        A matmul waits for this unit; `take: Out(1)`: it goes in, in this cycle.
    push: In(1), segment: In({place, length, dtype, part, paired, ratio, offset})
        A word is read in this cycle, into line buffer `push_buffer: Out`; only in a cycle with `room: Out(1)`. Of pairs
        and candidates the words of all rows come one after the other, with the same segment.
    column: Out({valid, swap, buffer, place, dtype, part, paired, ratio, offset})
        The column at the array's edge in this cycle (a register).
    wave: Out({valid, address, halves, carried, rounding, accumulate, first, columns}), last: Out(1)
        Its destination; it is its matmul's last.
    swap_sent: Out(1)
        A column with swap goes to the edge in the next cycle.
    scale_there: In(1), scale_send: Out(1), scale_ends: Out(1)
        Where there is MX: the next column's scale is in time; a column that has one goes to the edge in the next cycle;
        it is its matmul's last.
    tags_first: In(1)
        Where weights have tags: those of the last load are not there yet; a matmul behind it does not go in.
    taken: In(banks), ahead: Out(banks)
        Where there are background transposes: banks that those have, and a matmul for them does not go in; banks of
        the matmuls that wait, are in the unit or have their last column at the edge.
    stalled: Out(1)
        A matmul waited or was in the unit in the cycle before, and no column is at the edge in this cycle.

    Timing
    ------
    A word read in cycle r can be at the edge from r + 2 on; its buffer is free from the cycle in which its last element
    is at the edge. A column that accumulates stays behind while its destination was sent less than A + 2 cycles before,
    and where the other half of its word was, A + 1 cycles before (`HazardWindow`).
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        banks = config.psum.banks
        super().__init__(
            {
                "waiting": In(1),
                "next": In(destination(config)),
                "take": Out(1),
                "push": In(1),
                "segment": In(segment(config)),
                "push_buffer": Out(buffer_bits(config)),
                "room": Out(1),
                "column": Out(column_control(config)),
                "wave": Out(wave(config)),
                "last": Out(1),
                "swap_sent": Out(1),
                "stalled": Out(1),
                **({"tags_first": In(1)} if config.tensor.sparse else {}),
                **({"taken": In(banks), "ahead": Out(banks)} if config.tensor.background else {}),
                **({"scale_there": In(1), "scale_send": Out(1), "scale_ends": Out(1)} if config.tensor.quads else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        walker = Walker(operands=1)
        m.submodules.walker = place(walker, platform)
        m.submodules.hazard = hazard = HazardWindow(config=config)
        walker.bind(m, self.next, ("dst",))

        # the matmul whose columns are sent
        swap = Signal(reset_less=True)
        accumulate = Signal(reset_less=True)
        short, carried = Signal(reset_less=True), Signal(reset_less=True)
        columns = Signal(FIELDS["columns"].bits, reset_less=True)
        first_column = Signal.like(self.wave.first, name="first_column", reset_less=True)
        send, ends, busy = Signal(), Signal(), Signal()
        m.d.comb += [
            ends.eq(send & walker.last),
            busy.eq(self.waiting | walker.valid),
            self.take.eq(self.waiting & (ends | ~walker.valid) & self._weighted() & self._undisturbed(m, walker)),
            walker.start.eq(self.take),
            walker.advance.eq(send),
            walker.step.eq(1),
        ]
        with m.If(self.take):
            m.d.sync += [
                swap.eq(self.next.swap),
                accumulate.eq(self.next.accumulate),
                short.eq(self.next.dst_dtype != ACCUMULATOR.code),
                carried.eq(self.next.dst_dtype == CARRIED.code),
                columns.eq(self.next.columns),
                first_column.eq(self.next.dst_partition),
            ]

        # line buffers: a circular queue of segments
        buffers = config.tensor.moving_buffers
        segments = Array(Signal(segment(config), name=f"segment{i}", reset_less=True) for i in range(buffers))
        tail = Signal(buffer_bits(config))
        held = Signal(range(buffers + 1))
        position = Signal(self.segment.length.shape())
        current = Signal(segment(config))
        words, whole = self._words_of(m, current, held)
        following = Signal.like(position)
        empties = Signal()
        m.d.comb += [
            self.room.eq(held != buffers),
            current.eq(segments[tail]),
            following.eq(position + 1),
            empties.eq(send & (following == current.length)),
        ]
        m.d.sync += held.eq(held + self.push - Mux(empties, words, 0))
        with m.If(self.push):
            m.d.sync += [segments[self.push_buffer].eq(self.segment), self.push_buffer.eq(self.push_buffer + 1)]
        with m.If(send):
            m.d.sync += position.eq(Mux(empties, 0, following))
        with m.If(empties):
            m.d.sync += tail.eq(tail + words)

        # the decision, one cycle before the column is at the edge
        half, halves = walker.addresses[0][CARRIED.size_log2], Signal(PSUM_HALVES)
        m.d.comb += halves.eq(Mux(short, 1 << half, (1 << PSUM_HALVES) - 1))
        m.d.comb += [
            hazard.address.eq(walker.addresses[0] >> ACCUMULATOR.size_log2),
            hazard.halves.eq(halves),
            hazard.send.eq(send),
            send.eq(walker.valid & whole & ~(accumulate & hazard.hit) & self._scaled(m, current.dtype, send, ends)),
            self.swap_sent.eq(send & swap & walker.first),
        ]
        forms, smallest = config.tensor.operands, config.tensor.smallest
        steps = {size: position << (size - smallest) for size in {form.size_log2 for form in forms}}
        s1_busy = Signal()
        m.d.sync += [
            s1_busy.eq(busy),
            self.column.valid.eq(send),
            self.column.swap.eq(self.swap_sent),
            self.column.buffer.eq(tail),
            self.column.place.eq(current.place + of_size(current.dtype, forms, steps)),
            *(self.column[name].eq(current[name]) for name in operand_type(config)),
            self.wave.valid.eq(send),
            self.wave.address.eq(hazard.address),
            self.wave.halves.eq(halves),
            self.wave.carried.eq(carried),
            self.wave.accumulate.eq(accumulate),
            self.wave.first.eq(first_column),
            self.wave.columns.eq(columns),
            self.last.eq(ends),
        ]
        m.d.comb += self.stalled.eq(s1_busy & ~self.column.valid)
        if config.stochastic_sums:
            rounding = Signal(reset_less=True)
            with m.If(self.take):
                m.d.sync += rounding.eq(self.next.rounding)
            m.d.sync += self.wave.rounding.eq(rounding)

        rules = Rules(m, platform)
        rules.never(self.push & ~self.room, "a word is read only into a line buffer that is free")
        rules.always(held <= buffers, "no more segments are held than there are buffers")
        rules.follows(whole, position < current.length, "no element behind the end of a segment is sent")
        rules.follows(self.push, self.segment.length, "a segment has an element")
        rules.follows(ends, empties, "a matmul's last column is the last of its last segment")
        rules.follows(self.take, self.waiting, "only a matmul that waits is taken")
        rules.never(self.take & walker.valid & ~ends, "a matmul begins behind the last column of the one before")
        rules.never(send & accumulate & hazard.hit, "a column that accumulates waits for the sum before")
        unaligned = walker.addresses[0][: CARRIED.size_log2].any() | (half & ~short)
        rules.never(walker.valid & unaligned, "destinations are whole elements")
        most = config.tensor.columns
        there = (columns != 0) & (first_column + columns <= most)
        rules.follows(walker.valid, there, "a matmul has columns that there are")
        return m

    def _weighted(self) -> Value:
        """The matmul that waits does not overtake its load."""
        return ~(self.next.swap & self.tags_first) if self.config.tensor.sparse else Const(1, 1)

    def _undisturbed(self, m: Module, walker: Walker) -> Value:
        """No transpose has the bank of the matmul that waits."""
        if not self.config.tensor.background:
            return Const(1, 1)
        byte = ceil_log2(self.config.psum.bank_bytes)
        elements = bank_elems_bits(self.config.psum)
        its = (
            (self.waiting, self.next.dst_offset[byte:]),
            (walker.valid, walker.addresses[0][byte:]),
            (self.wave.valid, self.wave.address[elements:]),
        )
        banks = range(self.config.psum.banks)
        m.d.comb += self.ahead.eq(Cat(Cat(there & (bank == b) for there, bank in its).any() for b in banks))
        return ~self.taken.bit_select(its[0][1][: ceil_log2(len(banks))], 1)

    def _scaled(self, m: Module, dtype: Value, send: Signal, ends: Signal) -> Value:
        """The column at hand has no scale, or has it in time."""
        if not self.config.tensor.quads:
            return Const(1, 1)
        quad = Signal()
        m.d.comb += [
            quad.eq(Cat(dtype == form.code for form in self.config.tensor.quads).any()),
            self.scale_send.eq(send & quad),
            self.scale_ends.eq(ends),
        ]
        return ~quad | self.scale_there

    def _words_of(self, m: Module, current: data.View, held: Signal) -> tuple[Value, Value]:
        """Line buffers of the segment at hand, and whether all of them are there or will be in time."""
        if not len(current.paired) and not len(current.ratio):
            return Const(1, 1), held != 0
        words = Signal(range(RATIO_LIMIT + 1))
        m.d.comb += words.eq(Mux(current.paired.any(), 2, Mux(current.ratio.any(), current.ratio, 1)))
        return words, held >= words
