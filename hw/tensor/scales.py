"""MX: words of moving scales on their way to the groups, and the memory that a group of partitions has for scales."""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.delay import DelayLine
from makalu.hw.lib.rules import Rules
from makalu.hw.tensor.control import lookup_control, scale_word, scales, unit_ports
from makalu.spec.config import CoreConfig
from makalu.spec.frame import STATIONARY_SLOTS
from makalu.spec.isa import FIELDS
from makalu.spec.quads import SCALE_BITS
from makalu.spec.scales import (
    ENTRIES,
    MOVING_ENTRIES,
    STATIONARY_ENTRIES,
    groups_of_a_quadrant,
    quadrant,
    scale_lead,
    scale_release,
    scale_words,
    scales_apart,
)

__all__ = ["ScaleFetch", "ScaleGroup", "partitions_of_scales"]


def partitions_of_scales(config: CoreConfig, partitions: Any) -> Any:
    """From the first partition of scales to the last, both included; `partitions` are whole quadrants."""
    return partitions - (quadrant(config) - groups_of_a_quadrant(config))


class ScaleFetch(wiring.Component):
    """Reads the words of src1 of a matmul, in the stationary words' slots while no load reads.

    Does not: read a load's scales; know which column is which: it counts.

    Parameters
    ----------
    config
        The core; it has MX.

    Members
    -------
    start: In(1), instruction: In(INSTRUCTION)
        Take this matmul's scales; only in a cycle with `idle`.
    slot: In(2), loading: In(1)
        Slot of partition 0; a load reads words in this cycle or will in a later one.
    idle: Out(1)
        All words have been read.
    read: Out({enable, ...})
        Riding control of this cycle.
    send: In(1), ends: In(1)
        A column with a scale goes to the edge in the next cycle; it is its matmul's last.
    there: Out(1)
        Such a column may be sent: its scale is in every group in time.
    lookup: Out({valid, entry, place})
        Where its scale is.

    Timing
    ------
    Words u, numbered through all matmuls: r(u) = the first cycle of slot 0 or 1 with r(u) > acc(n), r(u) > r(u-1), for
    a matmul's first one by `scales_apart` more, no load between its acceptance and its last read, and
    r(u) >= h - 1 + release, h the last column of word u - 32. A column's h >= r(u) + lead (`spec/scales.py`).
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                **unit_ports(config),
                "loading": In(1),
                "idle": Out(1),
                "send": In(1),
                "ends": In(1),
                "there": Out(1),
                "lookup": Out(lookup_control(config)["column"].shape),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, word, instruction = self.config, self.config.sbuf.word_bytes, self.instruction
        words_left = Signal(range(scale_words(config, config.psum.partition_bytes) + 1))
        address = Signal.like(self.read.address, reset_less=True)
        first = Signal(FIELDS["src1_partition"].bits, reset_less=True)
        count = Signal(FIELDS["partitions"].bits, reset_less=True)
        entry = Signal(ceil_log2(MOVING_ENTRIES))
        taken = Signal(range(MOVING_ENTRIES + 1))
        # words of two matmuls may come from other partitions, and must not be at their group at once
        apart = scales_apart(config)
        first_word, apart_left = Signal(), Signal(range(apart + 1))
        may = (self.slot < STATIONARY_SLOTS) & ~self.loading & (taken != MOVING_ENTRIES)
        m.d.comb += [
            self.idle.eq(words_left == 0),
            self.read.enable.eq((words_left != 0) & may & ~(first_word & (apart_left != 0))),
            self.read.scale.eq(1),
            self.read.entry.eq(entry),
            self.read.address.eq(address),
            self.read.start.eq(first),
            self.read.count.eq(count),
        ]
        with m.If(self.read.enable):
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1), entry.eq(entry + 1)]
            m.d.sync += [first_word.eq(0), apart_left.eq(apart)]
        with m.Elif(apart_left != 0):
            m.d.sync += apart_left.eq(apart_left - 1)
        with m.If(self.start):
            m.d.sync += [
                first_word.eq(1),
                words_left.eq((instruction.src1_size0 + word - 1) >> ceil_log2(word)),
                address.eq(instruction.src1_offset >> ceil_log2(word)),
                first.eq(instruction.src1_partition),
                count.eq(partitions_of_scales(config, instruction.partitions)),
            ]

        # columns: a word is used up behind its last byte and behind the matmul's last column
        m.submodules.to_group = to_group = DelayLine(shape=1, cycles=scale_lead(config) - 1)
        m.submodules.to_last = to_last = DelayLine(shape=1, cycles=scale_release(config) - 1)
        held = Signal(range(MOVING_ENTRIES + 1))
        used = Signal(ceil_log2(MOVING_ENTRIES))
        position = Signal(ceil_log2(word))
        empties = Signal()
        m.d.comb += [
            to_group.before.eq(self.read.enable),
            to_last.before.eq(empties),
            # one that arrives in this cycle counts
            self.there.eq((held != 0) | to_group.after),
            empties.eq(self.send & (position.all() | self.ends)),
            self.lookup.valid.eq(self.send),
            self.lookup.entry.eq(used),
            self.lookup.place.eq(position),
        ]
        m.d.sync += [
            held.eq(held + to_group.after - empties),
            taken.eq(taken + self.read.enable - to_last.after),
        ]
        with m.If(self.send):
            m.d.sync += position.eq(Mux(empties, 0, position + 1))
        with m.If(empties):
            m.d.sync += used.eq(used + 1)

        rules = Rules(m, platform)
        rules.follows(self.start, self.idle, "scales of a matmul are fetched when those of the one before have been")
        rules.follows(self.send, self.there, "no column is sent before its scale")
        rules.always(held <= taken, "words that columns may use are in a group's memory")
        return m


class ScaleGroup(wiring.Component):
    """The scales of the column and the group of elements that are at the edge of a group's first row.

    Parameters
    ----------
    config
        The core; it has MX.

    Members
    -------
    words: In(ArrayLayout({valid, entry, data}, n))
        Of the partitions in which this group's scales may lie; one at a time has one.
    lookup: In({column, group})
        Of the first row's control.
    scales: Out({column, group})

    Timing: a word in cycle t is written by the end of it. `lookup` in t, `scales` in t + 1, undefined where it was not
    valid. What is read is not written in that cycle (`spec/scales.py`).
    """

    def __init__(self, *, config: CoreConfig, sources: int) -> None:
        self.config, self.sources = config, sources
        super().__init__(
            {
                "words": In(data.ArrayLayout(scale_word(config), sources)),
                "lookup": In(lookup_control(config)),
                "scales": Out(scales(config)),
            }
        )

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config.sbuf, self.config.tensor.load_columns, self.sources)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kinds = (
            ("column", MOVING_ENTRIES, 0, SCALE_BITS),
            ("group", STATIONARY_ENTRIES, 1, SCALE_BITS * self.config.tensor.load_columns),
        )
        rules = Rules(m, platform)
        for name, depth, upper, bits in kinds:
            lookup = self.lookup[name]
            words = memory.Memory(shape=8 * self.config.sbuf.word_bytes, depth=depth, init=[])
            m.submodules[f"{name}_words"] = words
            write, read = words.write_port(), words.read_port()
            s1_place = Signal.like(lookup.place, name=f"s1_{name}_place", reset_less=True)
            mine = [self.words[n].valid & (self.words[n].entry[-1] == upper) for n in range(self.sources)]
            come = [Mux(here, data.View.as_value(self.words[n]), 0) for n, here in enumerate(mine)]
            word = Signal(scale_word(self.config), name=f"{name}_word")
            m.d.comb += [
                word.eq(reduce(or_, come)),
                write.addr.eq(word.entry),
                write.data.eq(word.data),
                write.en.eq(word.valid),
                read.addr.eq(lookup.entry),
                read.en.eq(lookup.valid),
                self.scales[name].eq(read.data.word_select(s1_place, bits)),
            ]
            with m.If(lookup.valid):
                m.d.sync += s1_place.eq(lookup.place)
            meets = write.en & lookup.valid & (write.addr == lookup.entry)
            rules.never(meets, f"no word of scales is read in the cycle that writes it: {name}")
            rules.one_at_most(Cat(mine), f"one partition at a time has scales for a group: {name}")
        assert ENTRIES == 2 * MOVING_ENTRIES == 2 * STATIONARY_ENTRIES
        return m
