"""Stationary loads: two word reads a frame, one group of F columns a cycle."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.tensor.control import GROUPS_OF_A_WORD, group_control, read_control
from makalu.spec.config import CoreConfig
from makalu.spec.frame import ACCEPT_SLOT, SLOT_BITS, STATIONARY_SLOTS
from makalu.spec.isa import FIELDS
from makalu.spec.latency import LOAD_LEAD

__all__ = ["LoadUnit"]


class LoadUnit(wiring.Component):
    """Group g = 0 .. ceil(M/F)-1 of a load is at the edge of partition 0 in a + 3 + g, a the cycle of `start`.

    Does not: check the pattern (dimension 0 of stride 1, offset a multiple of the word), nor keep the shadow registers
    until they are swapped: the head does not start a load before it may.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    start: In(1), instruction: In(INSTRUCTION)
        Take this load; only in a cycle with `free` and slot 3.
    slot: In(2)
        Slot of partition 0.
    free: Out(1)
        Last group of the load before is at the edge before a + 3, if a load is started in this cycle a.
    read: Out({enable, ...}), group: Out({valid, ...})
        Riding control of this cycle.
    last_group: Out(1)
        The load's last group is at the edge in this cycle.

    Timing
    ------
    Word i is read in a + 1 + 4 * (i // 2) + i % 2, group g is at the edge in a + 3 + g. Never stalls.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(INSTRUCTION),
                "slot": In(SLOT_BITS),
                "free": Out(1),
                "read": Out(read_control(config)),
                "group": Out(group_control(config)),
                "last_group": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        tensor, instruction = self.config.tensor, self.instruction
        most = tensor.columns // tensor.load_columns
        counts = range(most + 1)

        # groups and words of the load, rounded up
        groups, words = Signal(counts), Signal(counts)
        shift = ceil_log2(tensor.load_columns)
        m.d.comb += [
            groups.eq((instruction.src0_size0 + tensor.load_columns - 1) >> shift),
            words.eq((groups + GROUPS_OF_A_WORD - 1) >> ceil_log2(GROUPS_OF_A_WORD)),
        ]

        # reading: words in the two stationary slots of each frame from the next cycle on
        address = Signal.like(self.read.address, reset_less=True)
        first = Signal(FIELDS["src0_partition"].bits, reset_less=True)
        count = Signal(FIELDS["partitions"].bits, reset_less=True)
        words_left = Signal(counts)
        m.d.comb += [
            self.read.enable.eq((words_left != 0) & (self.slot < STATIONARY_SLOTS)),
            self.read.address.eq(address),
            self.read.buffer.eq(self.slot[0]),  # word i is read in slot i % 2
            self.read.start.eq(first),
            self.read.count.eq(count),
        ]
        with m.If(self.read.enable):
            m.d.sync += [words_left.eq(words_left - 1), address.eq(address + 1)]
        with m.If(self.start):
            m.d.sync += [
                words_left.eq(words),
                address.eq(instruction.src0_offset >> ceil_log2(self.config.sbuf.word_bytes)),
                first.eq(instruction.src0_partition),
                count.eq(instruction.partitions),
            ]

        # sending: starts when the first word is in its buffer, while the load before may still send
        s0_groups = Signal(counts, reset_less=True)
        s1_start, s2_start = Signal(), Signal()
        groups_left = Signal(counts)
        tag = Signal.like(self.group.tag)
        m.d.sync += [s1_start.eq(self.start), s2_start.eq(s1_start)]
        with m.If(self.start):
            m.d.sync += s0_groups.eq(groups)
        m.d.comb += [
            self.free.eq(groups_left <= LOAD_LEAD),
            self.group.valid.eq(groups_left != 0),
            self.group.tag.eq(tag),
            self.group.half.eq(tag[0] if most > 1 else 0),
            self.group.buffer.eq(tag[1] if most > GROUPS_OF_A_WORD else 0),
            self.last_group.eq(groups_left == 1),
        ]
        with m.If(self.group.valid):
            m.d.sync += [groups_left.eq(groups_left - 1), tag.eq(tag + 1)]
        with m.If(s2_start):
            m.d.sync += [groups_left.eq(s0_groups), tag.eq(0)]

        rules = Rules(m, platform)
        rules.follows(self.start, self.free & (self.slot == ACCEPT_SLOT), "a load starts when it may, in its slot")
        rules.never(self.start & (words_left != 0), "a load starts when all words of the one before have been read")
        rules.never(s2_start & (groups_left > 1), "a load sends behind the last group of the one before")
        rules.follows(self.start, (groups != 0) & (groups <= most), "a load has groups that the array has columns for")
        follows_on = rules.before(self.group.valid, reset_less=False) & ~rules.before(s2_start, reset_less=False)
        rules.never(
            self.group.valid & follows_on & (tag != (rules.before(tag) + 1)[: len(tag)]), "groups come in their order"
        )
        return m
