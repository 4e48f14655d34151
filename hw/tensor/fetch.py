"""The moving pattern, cut into runs that lie in one SBUF word; one word read a frame."""

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.element import LARGEST, of_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.lib.walker import Walker
from makalu.hw.tensor.control import operand_type, place_bits, read_control, word_units
from makalu.spec.config import CoreConfig
from makalu.spec.frame import MOVING_SLOT, SLOT_BITS
from makalu.spec.isa import FIELDS
from makalu.spec.memory_map import INDEX_BITS

__all__ = ["FetchUnit", "segment"]


def segment(config: CoreConfig) -> data.StructLayout:
    """`length` elements of this type in a word, the first at `place`."""
    length = ceil_log2(word_units(config) + 1)
    return data.StructLayout({"place": place_bits(config), "length": length} | operand_type(config))


class FetchUnit(wiring.Component):
    """Segments of src0: with stride 1 in dimension 0 the runs that lie in one word, otherwise single elements.

    Does not: number buffers, nor wait for a segment's elements to go; `room` says whether a buffer is free.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    start: In(1), instruction: In(INSTRUCTION)
        Take this matmul's moving operand; only in a cycle with `free`.
    slot: In(2)
        Slot of partition 0.
    room: In(1)
        A line buffer is free.
    free: Out(1)
        All segments of the matmul before have been read.
    read: Out({enable, ...})
        Riding control of this cycle, without the buffer's number.
    segment: Out({place, length, dtype, part})
        What `read` reads.

    Timing: the first slot-2 cycle after `start` with `room` reads the first segment; then one a frame while `room`.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(INSTRUCTION),
                "slot": In(SLOT_BITS),
                "room": In(1),
                "free": Out(1),
                "read": Out(read_control(config)),
                "segment": Out(segment(config)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        walker = Walker(operands=1)
        m.submodules.walker = place(walker, platform)
        walker.bind(m, self.instruction, ("src0",))
        first = Signal(INDEX_BITS, reset_less=True)
        count = Signal(FIELDS["partitions"].bits, reset_less=True)
        unit = Signal(reset_less=True)
        forms = config.tensor.operands
        dtype, part = (Signal.like(self.segment[name], reset_less=True) for name in operand_type(config))
        with m.If(self.start):
            m.d.sync += [
                first.eq(self.instruction.src0_partition),
                count.eq(self.instruction.partitions),
                unit.eq(self.instruction.src0_stride0 == 1),
                dtype.eq(self.instruction.src0_dtype),
                part.eq(self.instruction.part),
            ]

        # places to the end of the word, and the elements of the type that these are
        places, room_in_word = (Signal.like(self.segment.length, name=name) for name in ("places", "room_in_word"))
        length = Signal.like(room_in_word)
        smallest, word_shift = config.tensor.smallest, ceil_log2(config.sbuf.word_bytes)
        room = {size: places >> (size - smallest) for size in {form.size_log2 for form in forms}}
        m.d.comb += [
            walker.start.eq(self.start),
            walker.advance.eq(self.read.enable),
            walker.step.eq(length),
            self.segment.place.eq(walker.addresses[0] >> smallest),
            self.segment.dtype.eq(dtype),
            self.segment.part.eq(part),
            places.eq(word_units(config) - self.segment.place),
            room_in_word.eq(of_size(dtype, forms, room)),
            length.eq(Mux(unit, Mux(walker.left < room_in_word, walker.left, room_in_word), 1)),
            self.segment.length.eq(length),
            self.free.eq(~walker.valid),
            self.read.enable.eq(walker.valid & self.room & (self.slot == MOVING_SLOT)),
            self.read.moving.eq(1),
            self.read.address.eq(walker.addresses[0] >> word_shift),
            self.read.start.eq(first),
            self.read.count.eq(count),
        ]

        rules = Rules(m, platform)
        rules.follows(self.start, self.free, "a matmul is taken when the one before has been fetched")
        rules.follows(self.read.enable, length != 0, "a segment has an element")
        rules.follows(self.read.enable, length <= room_in_word, "a segment lies in one word")
        rules.follows(
            walker.valid, first + count <= config.partitions, "a moving tile lies in partitions that there are"
        )
        below = of_size(dtype, forms, {size: Const((1 << size) - 1, LARGEST) for size in room})
        rules.never(walker.valid & (walker.addresses[0] & below).any(), "moving elements are aligned")
        return m
