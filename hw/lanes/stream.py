"""Central part of one source operand: where its elements are, which of them need a read, how many lie in the lanes."""

from amaranth.hdl import Module, Mux, Shape, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.lib.walker import Walker
from makalu.spec.config import CoreConfig
from makalu.spec.isa import Space
from makalu.spec.lanes import ELEMENT_BUFFER
from makalu.spec.memory_map import PSUM_WORD_BITS

__all__ = ["SourceStream"]

PSUM_POSITION_BITS = (PSUM_WORD_BITS // 8).bit_length() - 1
"""Low bits of an address: the byte in its word of PSUM."""


class SourceStream(wiring.Component):
    """Elements of one access pattern, in order, into the lanes' element buffers, at most one a core cycle.

    An element of the SBUF needs a read when its word is not that of the element before; one of the PSUM always does.

    Does not: choose between operands (`HeldPriority`), nor see data.

    Parameters
    ----------
    config : CoreConfig
    slot : operand slot of the instruction, `src0` or `src1`

    Members
    -------
    start: In(1);  instruction: In
        Begin the pattern of `instruction`; both are looked at in the cycle of `start` only.
    want_sbuf, want_psum: Out(1);  word, element: Out
        The read that the current element needs: SBUF word index or PSUM word index. Held until `granted`.
    granted: In(1)
    push, load, position, push_index: Out
        What `lane_control` needs for the element, in the cycle in which the memory shows its data.
    available: Out(1)
        The buffer holds an element that has not been popped.
    pop: In(1);  pop_index: Out
        Pop the oldest one.

    Timing
    ------
    `start` in t: first request in t + 1. An element stepped over (granted, or in the current word) in s: `push` in
    s + 2, `available` from s + 2 on. A buffer of 4 elements steps once a cycle when it is popped once a cycle.
    """

    def __init__(self, *, config: CoreConfig, slot: str):
        self.config = config
        self.slot = slot
        index = Shape.cast(range(ELEMENT_BUFFER))
        super().__init__(
            {
                "start": In(1),
                "instruction": In(INSTRUCTION),
                "want_sbuf": Out(1),
                "want_psum": Out(1),
                "word": Out(range(config.sbuf.words)),
                "element": Out(range(config.psum.banks * config.psum.bank_elems)),
                "granted": In(1),
                "push": Out(1),
                "load": Out(1),
                "position": Out(range(config.sbuf.word_bytes)),
                "push_index": Out(index),
                "available": Out(1),
                "pop": In(1),
                "pop_index": Out(index),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walker = Walker(operands=1)
        m.submodules.walker = place(walker, platform)
        walker.bind(m, self.instruction, (self.slot,))

        psum = Signal(reset_less=True)
        with m.If(self.start):
            m.d.sync += psum.eq(self.instruction[f"{self.slot}_space"] == Space.PSUM)

        # the current element: is it there already, may it be asked for?
        position_bits = len(self.position)
        address = Signal(len(walker.addresses[0]))
        word_known, last_word = Signal(), Signal.like(self.word, reset_less=True)
        level = Signal(range(ELEMENT_BUFFER + 1))  # asked for or in the buffer
        room, fresh, wanted, step = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            address.eq(walker.addresses[0]),
            self.word.eq(address[position_bits:]),
            self.element.eq(address[PSUM_POSITION_BITS:]),
            room.eq(walker.valid & (level != ELEMENT_BUFFER)),
            fresh.eq(~psum & (~word_known | (self.word != last_word))),
            wanted.eq(psum | fresh),
            self.want_sbuf.eq(room & fresh),
            self.want_psum.eq(room & psum),
            step.eq(room & (self.granted | ~wanted)),
            walker.start.eq(self.start),
            walker.advance.eq(step),
            walker.step.eq(1),
        ]
        with m.If(step):
            m.d.sync += [word_known.eq(1), last_word.eq(self.word)]

        # the order to the lanes travels with the memory's latency: command, then data
        s1_push, s1_load, s1_position = Signal(), Signal(), Signal.like(self.position, reset_less=True)
        m.d.sync += [
            s1_push.eq(step),
            s1_load.eq(step & fresh),
            s1_position.eq(Mux(psum, address[:PSUM_POSITION_BITS], address[:position_bits])),
            self.push.eq(s1_push),
            self.load.eq(s1_load),
            self.position.eq(s1_position),
        ]
        with m.If(self.push):
            m.d.sync += self.push_index.eq(self.push_index + 1)

        # one cycle before the push, because the lanes obey a pop one cycle after it is decided
        filled = Signal.like(level)
        m.d.comb += self.available.eq(filled != 0)
        m.d.sync += [level.eq(level + step - self.pop), filled.eq(filled + s1_push - self.pop)]
        with m.If(self.pop):
            m.d.sync += self.pop_index.eq(self.pop_index + 1)
        with m.If(self.start):
            m.d.sync += [word_known.eq(0), level.eq(0), filled.eq(0), self.push_index.eq(0), self.pop_index.eq(0)]

        rules = Rules(m, platform)
        rules.never(self.start & walker.valid, "a source is not started while it walks")
        rules.never(self.pop & ~self.available, "only an element that is there is popped")
        rules.never(self.granted & ~(self.want_sbuf | self.want_psum), "only a read that is asked for is granted")
        rules.stays(self.want_sbuf, self.granted, self.word, "a read of SBUF is asked for until it is granted")
        rules.stays(self.want_psum, self.granted, self.element, "a read of PSUM is asked for until it is granted")
        rules.always(level <= ELEMENT_BUFFER, "no more elements are asked for than the buffer holds")
        rules.always(filled <= level, "no element is there that was not asked for")
        return m
