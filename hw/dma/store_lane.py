"""One partition's way out: requests from the engine, words from SBUF, lines to the engine."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from makalu.hw.dma.layouts import line_words, request
from makalu.hw.lib.rules import Rules
from makalu.hw.sbuf.layouts import word_address_bits
from makalu.spec.config import CoreConfig

__all__ = ["REQUESTS", "StoreLane"]

REQUESTS = 2
"""Requests that a lane holds: one that it reads and one that waits."""


class StoreLane(wiring.Component):
    """line[i] = words address + i * n .. of the request, n words a line; the last line may be short. In order.

    Does not: know where in a line the burst's bytes are.

    Parameters
    ----------
    config
        The core; `dma.partition_lines` lines, those under way included.

    Members
    -------
    valid: In(1), request: In({address, words})
        A request for this partition; there must be room.
    pop: In(1)
        The line that is shown is used; only with `line_valid`.
    slot: In(1)
        This cycle is the partition's phase 7.
    enable: Out(1), address: Out
        Read on port B of the SBUF slice.
    sbuf_data: In
        Its word, a cycle later.
    request_room, line_valid: Out(1), line: Out
        See `lane_status`.

    Timing
    ------
    A request that comes in t is read in the first slot from t + 1 on, a word a slot, while a line is free: it is taken
    by the read of its first word and free again from the cycle after its pop on. A line whose last word is read in t
    is shown from t + 3 on. Lines that are there are shown one a cycle.
    """

    def __init__(self, *, config: CoreConfig) -> None:
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "request": In(request(config)),
                "pop": In(1),
                "slot": In(1),
                "enable": Out(1),
                "address": Out(word_address_bits(config.sbuf)),
                "sbuf_data": In(8 * config.sbuf.word_bytes),
                "request_room": Out(1),
                "line_valid": Out(1),
                "line": Out(8 * config.bus.data_bytes),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self.config
        depth, words = config.dma.partition_lines, line_words(config)
        layout = request(config)
        m.submodules.requests = requests = SyncFIFO(width=layout.size, depth=REQUESTS)
        m.submodules.lines = lines = memory.Memory(
            shape=data.ArrayLayout(8 * config.sbuf.word_bytes, words), depth=depth, init=[]
        )
        write, read = lines.write_port(granularity=1), lines.read_port()

        # reading: one word a slot
        current = Signal(layout)
        taken = Signal(bits_for(depth))  # lines that hold or wait for words
        done_words = Signal(layout["words"].shape)
        number = Signal(range(max(2, words)))
        go = Signal()
        last = Signal()
        line_done = Signal()
        free = Signal()
        m.d.comb += [
            requests.w_en.eq(self.valid),
            requests.w_data.eq(self.request),
            self.request_room.eq(requests.w_rdy),
            current.eq(data.View(layout, requests.r_data)),
            free.eq((taken != depth) | number.any()),
            go.eq(self.slot & requests.r_rdy & free),
            last.eq(done_words == current.words - 1),
            line_done.eq(last | (number == words - 1)),
            requests.r_en.eq(go & last),
            self.enable.eq(go),
            self.address.eq(current.address + done_words),
        ]
        with m.If(go):
            m.d.sync += [
                done_words.eq(Mux(last, 0, done_words + 1)),
                number.eq(Mux(line_done, 0, number + 1)),
            ]
        m.d.sync += taken.eq(taken + (go & ~number.any()) - self.pop)

        # the word, a cycle later
        s1_go = Signal()
        s1_done = Signal()
        s1_number = Signal.like(number, reset_less=True)
        tail = Signal(ceil_log2(depth))
        m.d.sync += [s1_go.eq(go), s1_done.eq(go & line_done), s1_number.eq(number), tail.eq(tail + s1_done)]
        m.d.comb += write.addr.eq(tail)
        for n in range(words):
            m.d.comb += [write.data[n].eq(self.sbuf_data), write.en[n].eq(s1_go & (s1_number == n))]

        # showing: the line after the one that is popped is read in the cycle of the pop
        head = Signal(ceil_log2(depth))
        following = Signal(ceil_log2(depth))
        whole = Signal(bits_for(depth))
        remaining = Signal(bits_for(depth))
        s2_valid = Signal()
        m.d.comb += [
            following.eq(head + self.pop),
            remaining.eq(whole - self.pop),
            read.en.eq(1),
            read.addr.eq(following),
            self.line_valid.eq(s2_valid),
            self.line.eq(read.data.as_value()),
        ]
        m.d.sync += [head.eq(following), whole.eq(remaining + s1_done), s2_valid.eq(remaining.any())]

        rules = Rules(m, platform)
        rules.never(self.valid & ~self.request_room, "a request comes only where there is room")
        rules.follows(self.valid, self.request.words, "a request has a word")
        rules.never(self.pop & ~self.line_valid, "only a line that is shown is used")
        rules.always(taken <= depth, "no more lines are under way than there are places")
        rules.always(whole <= taken, "a line that is whole has been taken")
        rules.follows(requests.r_rdy, done_words < current.words, "no word behind the end of a request is read")
        return m
