"""The moving pattern, cut into runs that lie in one SBUF word; one word read a frame, of a sparse tile two."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from makalu.hw.lib.element import LARGEST, element_size, of_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.mode import is_mode
from makalu.hw.lib.rules import Rules
from makalu.hw.lib.walker import Walker
from makalu.hw.tensor.control import operand_type, place_bits, unit_ports, word_units
from makalu.spec.config import CoreConfig
from makalu.spec.frame import MOVING_SLOT
from makalu.spec.isa import AP_DIMS, FIELDS
from makalu.spec.memory_map import INDEX_BITS
from makalu.spec.sparsity import RATIO_LIMIT, SPARSE_SLOT

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
    segment: Out({place, length, dtype, part, paired, ratio, offset})
        What `read` reads.
    sparse: Out(1)
        Where weights have tags: words of a sparse tile have not all been read.

    Timing: the first slot-2 cycle after `start` with `room` reads the first segment; then one a frame while `room`. In
    double row a segment takes two such cycles, one for each row; a sparse one as many as its ratio, of slots 1 and 2.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                **unit_ports(config),
                "room": In(1),
                "free": Out(1),
                "segment": Out(segment(config)),
                **({"sparse": Out(1)} if config.tensor.sparse else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        walker = Walker(operands=1)
        m.submodules.walker = place(walker, platform)
        several = config.tensor.products > 1 or config.tensor.sparse
        pattern = self._one_row(m) if several else self.instruction
        walker.bind(m, pattern, ("src0",))
        first = Signal(INDEX_BITS, reset_less=True)
        count = Signal(FIELDS["partitions"].bits, reset_less=True)
        unit = Signal(reset_less=True)
        forms = config.tensor.operands
        kind = {name: Signal.like(self.segment[name], name=name, reset_less=True) for name in operand_type(config)}
        dtype = kind["dtype"]
        with m.If(self.start):
            m.d.sync += [
                first.eq(self.instruction.src0_partition),
                count.eq(self.instruction.partitions),
                unit.eq(self.instruction.src0_stride0 == 1),
                dtype.eq(self.instruction.src0_dtype),
                kind["part"].eq(self.instruction.part),
                kind["paired"].eq(is_mode(self.instruction.mode, lambda mode: mode.rows > 1)),
                kind["ratio"].eq(Mux(self._sparse(), self._outermost, 0)),
                *([kind["offset"].eq(self.instruction.exponent_offset)] if config.cfp8 else []),
            ]

        # places to the end of the word, and the elements of the type that these are
        places, room_in_word = (Signal.like(self.segment.length, name=name) for name in ("places", "room_in_word"))
        length = Signal.like(room_in_word)
        smallest, word_shift = config.tensor.smallest, ceil_log2(config.sbuf.word_bytes)
        room = {size: places >> (size - smallest) for size in {form.size_log2 for form in forms}}
        last_row, address = Const(1, 1), walker.addresses[0]
        slots = self.slot == MOVING_SLOT
        if several:
            last_row, address = self._rows(m, kind, walker.addresses[0])
        if config.tensor.sparse:
            m.d.comb += self.sparse.eq(walker.valid & kind["ratio"].any())
            slots |= self.sparse & (self.slot == SPARSE_SLOT)
        m.d.comb += [
            walker.start.eq(self.start),
            walker.advance.eq(self.read.enable & last_row),
            walker.step.eq(length),
            self.segment.place.eq(walker.addresses[0] >> smallest),
            *(self.segment[name].eq(value) for name, value in kind.items()),
            places.eq(word_units(config) - self.segment.place),
            room_in_word.eq(of_size(dtype, forms, room)),
            length.eq(Mux(unit, Mux(walker.left < room_in_word, walker.left, room_in_word), 1)),
            self.segment.length.eq(length),
            self.free.eq(~walker.valid),
            self.read.enable.eq(walker.valid & self.room & slots),
            self.read.moving.eq(1),
            self.read.address.eq(address >> word_shift),
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

    def _one_row(self, m: Module) -> data.View:
        """The pattern of a row: the outermost dimension counts rows where there may be several."""
        pattern = Signal(INSTRUCTION)
        m.d.comb += pattern.eq(self.instruction)
        with m.If(is_mode(self.instruction.mode, lambda mode: mode.rows > 1) | self._sparse()):
            m.d.comb += pattern.src0_size3.eq(1)
        return pattern

    def _sparse(self) -> Value:
        """The instruction at hand has several candidates in each partition."""
        if not self.config.tensor.sparse:
            return Const(0, 1)
        return is_mode(self.instruction.mode, lambda mode: mode.tagged)

    @property
    def _outermost(self) -> Value:
        return self.instruction[f"src0_size{AP_DIMS - 1}"]

    def _rows(self, m: Module, kind: dict[str, Signal], address: Value) -> tuple[Value, Value]:
        """Whether a segment's last row is read, and its address: each is read of all rows, one after the other."""
        several = kind["paired"].any() | kind["ratio"].any()
        row, left = Signal(range(RATIO_LIMIT)), Signal(range(RATIO_LIMIT))
        step, behind = (Signal(len(address), name=name, reset_less=True) for name in ("row_step", "behind"))
        i, form = self.instruction, element_size(self.instruction.src0_dtype)
        last = Mux(kind["paired"].any(), 1, Mux(kind["ratio"].any(), kind["ratio"] - 1, 0))
        m.d.comb += left.eq(last - row)
        with m.If(self.start):
            m.d.sync += [row.eq(0), behind.eq(0), step.eq(i[f"src0_stride{AP_DIMS - 1}"] << form)]
        with m.Elif(self.read.enable & several):
            m.d.sync += [row.eq(row + 1), behind.eq(behind + step)]
            with m.If(left == 0):
                m.d.sync += [row.eq(0), behind.eq(0)]
        return left == 0, address + behind
