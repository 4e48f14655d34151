"""One partition's way in: lines from the engine, words into SBUF."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from makalu.hw.dma.layouts import line, line_words, slot_bits
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.layouts import dma_port
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import GRANULE_BYTES

__all__ = ["LoadLane"]


class LoadLane(wiring.Component):
    """word[address + j] = bytes of word j of the line, for the words that the line reaches; lines in order.

    Does not: know descriptors; `oldest` is what came with the line.

    Parameters
    ----------
    config
        The core; `dma.partition_lines` places.

    Members
    -------
    valid: In(1), line: In(line)
        A line for this partition; there must be room.
    slot: In(1)
        This cycle is the partition's phase 3.
    sbuf: Out({enable, write, address, granules, data}), sbuf_data: In
        Port B of the SBUF slice.
    room, room_two, busy: Out(1), oldest: Out(slot)
        Registers: see `lane_status`.

    Timing
    ------
    A line that comes in t is counted in t + 1; its first word goes in the first slot from t + 2 on, then a word a slot.
    A word with a partly set granule takes two slots: a read, then the write with its missing bytes from what was read.
    A line is counted until the slot of its last word, included.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "line": In(line(config)),
                "slot": In(1),
                "sbuf": Out(dma_port(config)),
                "sbuf_data": In(8 * config.sbuf.word_bytes),
                "room": Out(1),
                "room_two": Out(1),
                "busy": Out(1),
                "oldest": Out(slot_bits(config)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        depth, width = config.dma.partition_lines, config.sbuf.word_bytes
        m.submodules.lines = lines = memory.Memory(shape=line(config), depth=depth, init=[])
        write, read = lines.write_port(), lines.read_port()
        head = Signal(ceil_log2(depth))
        tail = Signal(ceil_log2(depth))
        count = Signal(bits_for(depth))
        slots = Array(Signal(slot_bits(config), name=f"slot_of{n}", reset_less=True) for n in range(depth))
        done = Signal()
        m.d.comb += [
            write.en.eq(self.valid),
            write.addr.eq(tail),
            write.data.eq(self.line),
            read.en.eq(1),
            read.addr.eq(head),
            self.room.eq(count < depth),
            self.room_two.eq(count < depth - 1),
            self.busy.eq(count.any()),
            self.oldest.eq(slots[head]),
        ]
        m.d.sync += [tail.eq(tail + self.valid), head.eq(head + done), count.eq(count + self.valid - done)]
        with m.If(self.valid):
            m.d.sync += slots[tail].eq(self.line.slot)

        # the memory shows what `head` was a cycle ago; `head` only moves in a slot, so in a slot both agree
        s1_present = Signal()
        m.d.sync += s1_present.eq(count.any())
        go = Signal()
        m.d.comb += go.eq(self.slot & s1_present)

        current = read.data
        number = Signal(range(max(2, line_words(config))))  # of the word within the line
        chosen = Signal(8 * width)
        left = Signal.like(current.high)  # bytes of the line from this word on
        mask = Signal(width)
        partial = Signal()
        last = Signal()
        granules = Signal.like(self.sbuf.granules)
        groups = [mask[g : g + GRANULE_BYTES] for g in range(0, width, GRANULE_BYTES)]
        m.d.comb += [
            chosen.eq(current.data.word_select(number, 8 * width)),
            left.eq(current.high - number * width),
            mask.eq(Cat((number.any() | (current.low <= b)) & (left > b) for b in range(width))),
            granules.eq(Cat(group.any() for group in groups)),
            partial.eq(Cat(group.any() & ~group.all() for group in groups).any()),
            last.eq(left <= width),
        ]

        reading = Signal()
        s1_reading = Signal()
        merging = Signal()
        merged = Signal(8 * width, reset_less=True)
        m.d.comb += [
            reading.eq(go & partial & ~merging),
            done.eq(go & ~reading & last),
            self.sbuf.enable.eq(go),
            self.sbuf.write.eq(~reading),
            self.sbuf.address.eq(current.address + number),
            self.sbuf.granules.eq(granules),
            self.sbuf.data.eq(
                Cat(Mux(mask[b], chosen[8 * b : 8 * b + 8], merged[8 * b : 8 * b + 8]) for b in range(width))
            ),
        ]
        m.d.sync += s1_reading.eq(reading)
        with m.If(go):
            m.d.sync += merging.eq(reading)
        with m.If(go & ~reading):
            m.d.sync += number.eq(Mux(last, 0, number + 1))
        with m.If(s1_reading):  # the tensor engine reads on the same port in the next cycle
            m.d.sync += merged.eq(self.sbuf_data)

        rules = Rules(m, platform)
        rules.never(self.valid & (count == depth), "a line comes only where there is room")
        rules.always(count <= depth, "the lane holds no more lines than it has places")
        rules.follows(self.valid, self.line.low < self.line.high, "a line has a byte")
        rules.follows(self.valid, self.line.high <= config.bus.data_bytes, "a line ends in its beat")
        rules.follows(go, mask, "every word of a line has a byte")
        rules.follows(go & merging, partial, "only a word that is partly written is merged")
        return m
