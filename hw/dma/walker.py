"""The walk over a descriptor: its AXI bursts, in order, partition innermost."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from makalu.hw.dma.layouts import OFFSET_BITS, beat_bits, burst, descriptor, page_bytes, slot_bits, start
from makalu.hw.lib.rules import Rules
from makalu.spec.config import CoreConfig
from makalu.spec.isa import AP_DIMS, MEMORY_DIMS

__all__ = ["BurstWalker"]

_PARTITION, _PIECE = 0, 1  # levels; level d + 1 is dimension d, so the piece takes dimension 0's place
_LEVELS = 1 + AP_DIMS


class BurstWalker(wiring.Component):
    """bursts = [(a, s, n, p)] for i3, i2, i1, piece of dimension 0, partition, part of the piece within one page.

    A piece is at most `burst_bytes` of a row that is contiguous on both sides, and ends where the first partition's
    next beat begins, so that only the first one is unaligned if partitions lie whole beats apart; else it is one
    element. A piece that crosses a page of memory is two bursts of the same partition.

    Does not: know the bus or SBUF.

    Parameters
    ----------
    config
        The core.

    Members
    -------
    start: In(stream.Signature({descriptor, slot})), bursts: Out(stream.Signature(burst))

    Timing
    ------
    Started in t: the first burst is offered in t + 1, then one a cycle. Start is ready when no burst is left, one cycle
    after the last has been taken.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "start": In(stream.Signature(start(config))),
                "bursts": Out(stream.Signature(burst(config))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        out = self.bursts.payload
        d = Signal(descriptor(config), reset_less=True)
        slot = Signal(slot_bits(config), reset_less=True)
        busy = Signal()
        second = Signal()
        # where each level's walk stands: the address of its current index with all inner indices 0
        memory = [Signal(config.bus.address_bits, name=f"memory{n}", reset_less=True) for n in range(_LEVELS)]
        offset = [Signal(OFFSET_BITS, name=f"offset{n}", reset_less=True) for n in range(_LEVELS)]
        left = [Signal.like(d.lasts[0], name=f"left{n}", reset_less=True) for n in range(_LEVELS)]
        partition = Signal.like(d.partition, reset_less=True)
        remaining = Signal.like(d.row, reset_less=True)

        piece = self._piece(m, d, memory[_PIECE], remaining)
        to_page, crosses = self._page(m, memory[_PARTITION], piece)
        at_end = [Signal(name=f"at_end{n}") for n in range(_LEVELS)]
        move = Signal()
        taken = Signal()
        finished = Signal()
        m.d.comb += [at_end[n].eq(~left[n].any()) for n in range(_LEVELS) if n != _PIECE]
        m.d.comb += [
            at_end[_PIECE].eq(piece == remaining),
            taken.eq(busy & self.bursts.ready),
            move.eq(taken & (second | ~crosses)),
            finished.eq(Cat(at_end).all()),
            self.bursts.valid.eq(busy),
            self.start.ready.eq(~busy),
            out.partition.eq(partition),
            out.slot.eq(slot),
            out.last.eq(finished & (second | ~crosses)),
            out.address.eq(memory[_PARTITION]),
            out.offset.eq(offset[_PARTITION]),
            out.length.eq(Mux(crosses, to_page, piece)),
        ]
        with m.If(second):
            page_bits = exact_log2(page_bytes(config))
            m.d.comb += [
                out.address.eq(Cat(Const(0, page_bits), memory[_PARTITION][page_bits:] + 1)),
                out.offset.eq(offset[_PARTITION] + to_page),
                out.length.eq(piece - to_page),
            ]
        m.d.sync += second.eq(Mux(taken, crosses & ~second, second))

        next_memory, next_offset, moves = self._next(m, d, memory, offset, at_end, piece)
        with m.If(move):
            m.d.sync += [busy.eq(~finished), left[_PARTITION].eq(left[_PARTITION] - 1), partition.eq(partition + 1)]
            for n in range(_LEVELS):
                with m.If(moves[n]):  # this level or one further out takes a step
                    m.d.sync += [memory[n].eq(next_memory), offset[n].eq(next_offset)]
            with m.If(moves[_PIECE]):
                m.d.sync += [left[_PARTITION].eq(d.last_partition), partition.eq(d.partition)]
                m.d.sync += remaining.eq(remaining - piece)
            with m.If(moves[_PIECE + 1]):
                m.d.sync += remaining.eq(d.row)
            for n in range(_PIECE + 1, _LEVELS):
                inner = at_end[:n]
                with m.If(Cat(inner).all()):
                    m.d.sync += left[n].eq(Mux(at_end[n], d.lasts[n - 1], left[n] - 1))
        with m.If(self.start.valid & self.start.ready):
            first = self.start.payload.descriptor
            m.d.sync += [busy.eq(1), d.eq(first), slot.eq(self.start.payload.slot)]
            m.d.sync += [
                partition.eq(first.partition),
                remaining.eq(first.row),
                left[_PARTITION].eq(first.last_partition),
            ]
            m.d.sync += [register.eq(first.address) for register in memory]
            m.d.sync += [register.eq(first.offset) for register in offset]
            m.d.sync += [left[n].eq(first.lasts[n - 1]) for n in range(_PIECE + 1, _LEVELS)]

        rules, valid = Rules(m, platform), self.bursts.valid
        page = page_bytes(config)
        rules.stays(valid, self.bursts.ready, out, "a burst stays until it is taken")
        rules.follows(valid, out.length, "a burst has a byte")
        rules.follows(valid, out.address[: exact_log2(page)] + out.length <= page, "no burst crosses a page of memory")
        rules.never(
            valid & (out.address + (out.length - 1))[config.bus.address_bits :].any(), "no byte lies beyond the bus"
        )
        rules.follows(
            valid, out.offset + out.length <= config.sbuf.partition_bytes, "a burst stays inside its partition of SBUF"
        )
        rules.follows(busy, (piece != 0) & (piece <= remaining), "a piece ends in its row")
        rules.follows(second, crosses, "only a piece that crosses a page has a second burst")
        for n in range(_LEVELS):
            if n != _PIECE:
                most = d.last_partition if n == _PARTITION else d.lasts[n - 1]
                rules.follows(busy, left[n] <= most, "no level of a walk is behind its end")
        return m

    def _piece(self, m: Module, d: Any, address: Signal, remaining: Signal) -> Signal:
        """Bytes of this piece: up to where the beat ends that lies `burst_bytes` further on, or one element."""
        longest = self.config.dma.burst_bytes
        limit = Signal(bits_for(longest))
        piece = Signal(bits_for(longest), name="piece")
        m.d.comb += [
            limit.eq(longest - address[: beat_bits(self.config)]),
            piece.eq(Mux(remaining < limit, remaining, limit)),
        ]
        with m.If(~d.contiguous):
            m.d.comb += piece.eq(1 << d.size)
        return piece

    def _page(self, m: Module, address: Signal, piece: Signal) -> tuple[Signal, Signal]:
        """Bytes up to the end of the page, and whether the piece goes on behind it."""
        page = page_bytes(self.config)
        to_page = Signal(bits_for(page))
        crosses = Signal()
        m.d.comb += [to_page.eq(page - address[: exact_log2(page)]), crosses.eq(piece > to_page)]
        return to_page, crosses

    def _next(
        self, m: Module, d: Any, memory: list[Signal], offset: list[Signal], at_end: list[Signal], piece: Signal
    ) -> tuple[Signal, Signal, list[Signal]]:
        """Addresses after the step, and for each level whether it or one further out steps: one adder a side."""
        from_memory = Signal.like(memory[0])
        from_offset = Signal.like(offset[0])
        step_memory = Signal.like(d.memory_strides[0], name="step_memory")
        step_offset = Signal.like(d.strides[0], name="step_offset")
        next_memory = Signal.like(memory[0])
        next_offset = Signal.like(offset[0])
        moves = [Signal(name=f"moves{n}") for n in range(_LEVELS)]
        m.d.comb += [moves[n].eq(Cat(at_end[:n]).all()) for n in range(1, _LEVELS)]
        m.d.comb += moves[0].eq(1)
        for n in range(_LEVELS):
            with m.If(moves[n]):  # the last that holds, the outermost, wins
                m.d.comb += [from_memory.eq(memory[n]), from_offset.eq(offset[n])]
                if n == _PARTITION:
                    m.d.comb += [step_memory.eq(d.memory_strides[MEMORY_DIMS - 1]), step_offset.eq(0)]
                else:
                    m.d.comb += [step_memory.eq(d.memory_strides[n - 1]), step_offset.eq(d.strides[n - 1])]
                    if n == _PIECE:
                        with m.If(d.contiguous):
                            m.d.comb += [step_memory.eq(piece), step_offset.eq(piece)]
        m.d.comb += [next_memory.eq(from_memory + step_memory), next_offset.eq(from_offset + step_offset)]
        return next_memory, next_offset, moves
