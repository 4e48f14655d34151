"""One set of counters over an access pattern, and a byte address for each operand that follows it."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import SIZE_BITS, element_size
from makalu.hw.lib.rules import Rules
from makalu.spec.isa import AP_DIMS, FIELDS

__all__ = ["Walker"]


class Walker(wiring.Component):
    """address[i](i3, i2, i1, i0) = offset[i] + 2^shift[i] * sum over d of i_d * stride[i][d], element after element.

    All operands have the same sizes (dimension 0 innermost) and step together. Adders only: every dimension keeps the
    address of its current start, so stepping in dimension d adds stride d to that start and restarts the lower ones.

    Does not: check sizes (0 is illegal) or bounds; addresses are modulo 2^address_bits, so that intermediate values
    cannot matter.

    Parameters
    ----------
    operands
        Addresses that follow the pattern.
    dims
        (size, stride) pairs.
    address_bits, size_bits, stride_bits
        Widths; the instruction table's by default.

    Members
    -------
    start: In(1)
        Take the pattern below in this cycle's edge. Wins over `advance`, also in the middle of a pattern.
    sizes, offsets, strides, shifts: In
        The pattern: elements, bytes, elements (signed; `strides[i][d]` of operand i), log2(bytes an element). Read only
        in the cycle of `start`.
    advance: In(1)
        Go `step` elements on in dimension 0 in this cycle's edge. Ignored while `valid` is low.
    step: In(size_bits)
        1 .. left. More than 1 only if dimension 0 has stride 1 in every operand, or if `step` is `left` (the rest of
        the row is skipped and the next row begins).
    valid: Out(1)
        A pattern is loaded and not finished; the following show its current element.
    addresses: Out(ArrayLayout(address_bits, operands))
    first: Out(1)
        The current element is the pattern's first.
    left: Out(size_bits)
        Elements left in dimension 0, the current one included.
    last_row: Out(1)
        Dimensions 1 and up are at their last index.
    last: Out(1)
        `last_row` and `step == left`: an `advance` in this cycle ends the pattern. Combinational from `step`.

    Timing
    ------
    `start` in cycle t: `valid` and the first element in t + 1. `advance` in t: next element in t + 1, or `valid` low.
    One step a cycle; `start` in the cycle of the last `advance` leaves no gap.
    """

    def __init__(
        self,
        *,
        operands: int,
        dims: int = AP_DIMS,
        address_bits: int = FIELDS["src0_offset"].bits,
        size_bits: int = FIELDS["src0_size0"].bits,
        stride_bits: int = FIELDS["src0_stride0"].bits,
    ) -> None:
        if operands < 1:
            raise ValueError(f"operands of a walker must be at least 1, not {operands}")
        if dims < 2:
            raise ValueError(f"dims of a walker must be at least 2, not {dims}")
        self.operands, self.dims, self.address_bits, self.size_bits = operands, dims, address_bits, size_bits
        self.stride_bits = stride_bits
        super().__init__(
            {
                "start": In(1),
                "sizes": In(data.ArrayLayout(size_bits, dims)),
                "offsets": In(data.ArrayLayout(address_bits, operands)),
                "strides": In(data.ArrayLayout(data.ArrayLayout(signed(stride_bits), dims), operands)),
                "shifts": In(data.ArrayLayout(SIZE_BITS, operands)),
                "advance": In(1),
                "step": In(size_bits),
                "valid": Out(1),
                "addresses": Out(data.ArrayLayout(address_bits, operands)),
                "first": Out(1),
                "left": Out(size_bits),
                "last_row": Out(1),
                "last": Out(1),
            }
        )

    def bind(self, m: Module, instruction: data.View, slots: tuple[str, ...]) -> None:
        """Drive sizes, offsets, strides and shifts from operands of an instruction, operand i from `slots[i]`.

        The sizes are those of `slots[0]`; the sequencer has checked that the others' are the same.
        """
        if len(slots) != self.operands or self.dims != AP_DIMS:
            raise ValueError(f"a walker of {self.operands} operands and {self.dims} dims cannot follow {slots}")
        for d in range(self.dims):
            m.d.comb += self.sizes[d].eq(instruction[f"{slots[0]}_size{d}"])
        for i, slot in enumerate(slots):
            m.d.comb += self.offsets[i].eq(instruction[f"{slot}_offset"])
            for d in range(self.dims):
                m.d.comb += self.strides[i][d].eq(instruction[f"{slot}_stride{d}"])
            m.d.comb += self.shifts[i].eq(element_size(instruction[f"{slot}_dtype"]))

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.operands, self.dims, self.address_bits, self.size_bits, self.stride_bits)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dims = range(self.dims)

        # what is left in each dimension, the current index included: 1 is the last
        size = [Signal(self.size_bits, name=f"size{d}", reset_less=True) for d in dims]
        left = [Signal(self.size_bits, name=f"left{d}", reset_less=True) for d in dims]
        at_end = [Signal(name=f"at_end{d}") for d in dims]
        m.d.comb += at_end[0].eq(self.step == left[0])
        for d in dims[1:]:
            m.d.comb += at_end[d].eq(left[d] == 1)

        # the one dimension that moves on; all lower ones restart
        moves = [Signal(name=f"moves{d}") for d in dims]
        for d in dims:
            m.d.comb += moves[d].eq(Cat(~at_end[d], *at_end[:d]).all())
        m.d.comb += [
            self.last_row.eq(Cat(at_end[1:]).all()),
            self.last.eq(self.last_row & at_end[0]),
            self.left.eq(left[0]),
        ]

        go = Signal()
        m.d.comb += go.eq(self.valid & self.advance)
        with m.If(go):
            m.d.sync += [self.first.eq(0), self.valid.eq(~self.last)]
            for d in dims:
                below = Signal(name=f"below{d}")
                m.d.comb += below.eq(Cat(moves[d + 1 :]).any())
                with m.If(moves[d]):
                    m.d.sync += left[d].eq(left[d] - (self.step if d == 0 else 1))
                with m.Elif(below):
                    m.d.sync += left[d].eq(size[d])
        with m.If(self.start):
            m.d.sync += [self.valid.eq(1), self.first.eq(1)]
            for d in dims:
                m.d.sync += [size[d].eq(self.sizes[d]), left[d].eq(self.sizes[d])]

        units = [self._address(m, i, moves, go) for i in range(self.operands)]

        rules = Rules(m, platform)
        rules.never(
            self.start & Cat(self.sizes[d] == 0 for d in dims).any(), "a walker starts with sizes of 1 and more"
        )
        rules.follows(
            self.valid,
            Cat((left[d] != 0) & (left[d] <= size[d]) for d in dims).all(),
            "what is left of a dimension is 1 to its size",
        )
        rules.follows(go, (self.step != 0) & (self.step <= left[0]), "a step is 1 to what is left of the row")
        rules.follows(
            go & (self.step > 1),
            at_end[0] | Cat(units).all(),
            "a step of several elements has stride 1 or ends its row",
        )
        rules.follows(self.first, self.valid, "only a pattern that is loaded has a first element")
        return m

    def _address(self, m: Module, i: int, moves: list[Signal], go: Signal) -> Signal:
        """Address accumulator of operand i; returns whether its dimension 0 has stride 1."""
        dims = range(self.dims)
        stride = [Signal(self.address_bits, name=f"stride{i}_{d}", reset_less=True) for d in dims]  # bytes
        base = [Signal(self.address_bits, name=f"base{i}_{d}", reset_less=True) for d in dims]
        shift = Signal(SIZE_BITS, name=f"shift{i}", reset_less=True)
        unit = Signal(name=f"unit{i}", reset_less=True)
        step_bytes = Signal(self.address_bits, name=f"step_bytes{i}")
        amount = Signal(self.address_bits, name=f"amount{i}")
        origin = Signal(self.address_bits, name=f"origin{i}")
        following = Signal(self.address_bits, name=f"following{i}")
        m.d.comb += [
            step_bytes.eq(self.step << shift),
            amount.eq(Mux(unit, step_bytes, stride[0])),
            origin.eq(base[0]),
            following.eq(origin + amount),
            self.addresses[i].eq(base[0]),
        ]
        for d in dims[1:]:
            with m.If(moves[d]):
                m.d.comb += [amount.eq(stride[d]), origin.eq(base[d])]
        with m.If(go):
            for d in dims:
                with m.If(Cat(moves[d:]).any()):
                    m.d.sync += base[d].eq(following)
        with m.If(self.start):
            m.d.sync += [shift.eq(self.shifts[i]), unit.eq(self.strides[i][0] == 1)]
            for d in dims:
                m.d.sync += [base[d].eq(self.offsets[i]), stride[d].eq(self.strides[i][d] << self.shifts[i])]
        return unit
