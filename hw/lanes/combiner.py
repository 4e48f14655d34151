"""Central part of the destination: which bytes of which word the lanes combine, and when it is written."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.element import SIZE_BITS, below_size, byte_mask, element_size
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.lib.walker import Walker
from makalu.spec.config import CoreConfig

__all__ = ["WriteCombiner"]


class WriteCombiner(wiring.Component):
    """Elements that fall into one SBUF word, one after the other, become one write with a byte mask.

    Two words a lane: the one being combined and the one that waits for its grant. An element that begins another word
    moves the combined one on; if the one before has not been granted yet, the pipeline stands still.

    Does not: see data; merge a word that comes back later (it is written twice, in order).

    Parameters
    ----------
    config : CoreConfig
    slot : operand slot of the instruction

    Members
    -------
    start: In(1);  instruction: In
        Begin the pattern of `slot`; looked at in the cycle of `start` only.
    tick: In(1)
        An engine cycle.
    leaving: In(1)
        An element is at the pipeline's end.
    advance: Out(1)
        The pipeline moves in this cycle: an engine cycle in which the end is not blocked.
    blocked: Out(1)
        The element at the end has no place in this cycle.
    place, place_position, move: Out
        For `lane_control`, which shows them one cycle later.
    want: Out(1);  word, mask: Out;  granted: In(1)
        The write request.
    last: Out(1)
        The element at the end is the pattern's last (where there is stochastic rounding).
    ended, idle: Out(1)
        Every element has been placed; and written.
    done: Out(1)
        The grant of this cycle is that of the pattern's last write.

    Timing
    ------
    Last element placed in p: its word moves in p + 1 or in the cycle of the grant before, and is asked for one later.
    A word may move in the cycle of the grant before: one write a cycle.
    """

    def __init__(self, *, config: CoreConfig, slot: str = "dst"):
        self.config = config
        self.slot = slot
        super().__init__(
            {
                "start": In(1),
                "instruction": In(INSTRUCTION),
                "tick": In(1),
                "leaving": In(1),
                "advance": Out(1),
                "blocked": Out(1),
                "place": Out(1),
                "place_position": Out(range(config.sbuf.word_bytes)),
                "move": Out(1),
                "want": Out(1),
                "word": Out(range(config.sbuf.words)),
                "mask": Out(config.sbuf.word_bytes),
                "granted": In(1),
                "ended": Out(1),
                "idle": Out(1),
                "done": Out(1),
                **({"last": Out(1)} if config.stochastic else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walker = Walker(operands=1)
        m.submodules.walker = place(walker, platform)
        walker.bind(m, self.instruction, (self.slot,))
        size = Signal(SIZE_BITS, reset_less=True)
        with m.If(self.start):
            m.d.sync += size.eq(element_size(self.instruction[f"{self.slot}_dtype"]))

        held = Signal()  # the combining buffer has bytes
        held_word = Signal.like(self.word, reset_less=True)
        held_mask = Signal.like(self.mask, reset_less=True)

        address = Signal(len(walker.addresses[0]))
        word = Signal.like(self.word)
        element_mask = Signal.like(self.mask)
        fits, out_free, flush = Signal(), Signal(), Signal()
        position_bits = len(self.place_position)
        m.d.comb += [
            address.eq(walker.addresses[0]),
            self.place_position.eq(address[:position_bits]),
            word.eq(address[position_bits:]),
            element_mask.eq(byte_mask(size) << self.place_position),
            fits.eq(held & (word == held_word)),
            # granted in t: write_data is used in t + 1, and what moves in t is there from t + 2 on
            out_free.eq(~self.want | self.granted),
            self.blocked.eq(self.leaving & held & ~fits & ~out_free),
            self.advance.eq(self.tick & ~self.blocked),
            self.place.eq(self.leaving & self.advance),
            flush.eq(self.ended & held & out_free),
            self.move.eq((self.place & held & ~fits) | flush),
            self.done.eq(self.ended & ~held & self.granted),
            self.idle.eq(self.ended & ~held & ~self.want),
            walker.start.eq(self.start),
            walker.advance.eq(self.place),
            walker.step.eq(1),
        ]
        if self.config.stochastic:
            m.d.comb += self.last.eq(walker.last)
        with m.If(self.granted):
            m.d.sync += self.want.eq(0)
        with m.If(self.move):
            m.d.sync += [self.want.eq(1), self.word.eq(held_word), self.mask.eq(held_mask)]
        with m.If(flush):
            m.d.sync += held.eq(0)
        with m.If(self.place):
            m.d.sync += [
                held.eq(1),
                held_word.eq(word),
                held_mask.eq(Mux(fits, held_mask | element_mask, element_mask)),
                self.ended.eq(walker.last),
            ]
        with m.If(self.start):
            m.d.sync += self.ended.eq(0)

        rules = Rules(m, platform)
        rules.never(self.start & (walker.valid | held | self.want), "a destination begins when the last one is written")
        rules.never(self.granted & ~self.want, "only a write that is asked for is granted")
        rules.stays(self.want, self.granted, Cat(self.word, self.mask), "a write is asked for until it is granted")
        rules.never(self.place & ~walker.valid, "no element behind the end of the pattern is placed")
        rules.never(self.move & self.want & ~self.granted, "a word moves when the one before is granted")
        rules.follows(self.want, self.mask, "a write has a byte")
        rules.never(walker.valid & (address & below_size(size)).any(), "destinations are aligned")
        return m
