"""One queue: two decoded instructions, the waits of the older one, its issue, and the queue's state and error."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.sequencer.decode import CODE_BITS
from makalu.hw.sequencer.finish import SIGNAL, TAG_BITS, issued_layout
from makalu.hw.sequencer.semaphores import WAIT
from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS
from makalu.spec.errors import ErrorCode
from makalu.spec.isa import INSTRUCTION_BYTES, SIGNALS, WAITS, Opcode, Queue, SignalKind
from makalu.spec.registers import QueueState
from makalu.spec.sequencer import CHANNEL_OF, DECODED_INSTRUCTIONS, queue_bits

__all__ = ["STATE_BITS", "IssueQueue", "error_layout"]

STATE_BITS = max(QueueState).bit_length()


def error_layout(address_bits: int) -> data.StructLayout:
    """What the status registers say of a queue's error."""
    return data.StructLayout({"code": CODE_BITS, "address": address_bits, "tag": TAG_BITS})


class IssueQueue(wiring.Component):
    """issue = running & head decoded & legal & waits met & (after or halt: nothing outstanding) & accepted.

    An engine's error, a refused head when nothing before it is unfinished, or an expired watchdog stops the queue in
    the next cycle; in one cycle an engine's error goes before a refused head, and that before the watchdog.
    The watchdog names the oldest unfinished instruction of the first channel that has one, else the next to issue.

    Does not: execute; `nop` and `halt` end here, everything else is requested from a finish channel's engine.

    Parameters
    ----------
    config : CoreConfig
    queue : Queue

    Members
    -------
    start, enable, address : In
        In a start an enabled queue runs from `address`, or stops with ALIGNMENT; others become idle.
    push, word, code : In
        From the decoder: an instruction, and the verdict on the one of the previous cycle.
    room : Out(1)
        A decoded instruction has a place.
    head : Out(INSTRUCTION)
        The oldest decoded instruction; bits that no opcode of this queue uses are 0.
    wait, met : Out(ArrayLayout(WAIT, 2)), In(2)
    request, accept : Out(n), In(n)
        A bit a channel of this queue, in the order of `QUEUE_CHANNELS`: the head may issue; its engine is ready.
    channel_room, channel_empty, failed, oldest : In
        From the channels' FIFOs, errors of engines and the oldest unfinished instruction.
    entry : Out(issued_layout)
        The head as the FIFO keeps it.
    expired : In(1)
        Watchdog: nothing issues or finishes in this cycle.
    issue, control_signals : Out(1), Out(ArrayLayout(SIGNAL, 2))
        An instruction issues; signals of a `nop` or `halt` that issues.
    ready_to_issue, decoded : Out(1)
        The head waits for its engine or channel only; a legal head is here.
    state, error : Out

    Timing: an instruction pushed in cycle t may issue from t + 2 on. Outputs are combinational on state, `met`,
    `accept` and `channel_*`; `request` does not depend on `accept`. Once high, `request` stays until accepted,
    unless the queue stops or a semaphore is incremented 2^15 times in between.
    """

    def __init__(self, *, config: CoreConfig, queue: Queue):
        self._queue, self._config = queue, config
        self._channels = QUEUE_CHANNELS[queue]
        self._address_bits = bits = config.bus.address_bits
        n = len(self._channels)
        super().__init__(
            {
                "start": In(1),
                "enable": In(1),
                "address": In(bits),
                "push": In(1),
                "word": In(8 * INSTRUCTION_BYTES),
                "code": In(CODE_BITS),
                "room": Out(1),
                "head": Out(INSTRUCTION),
                "wait": Out(data.ArrayLayout(WAIT, WAITS)),
                "met": In(WAITS),
                "request": Out(n),
                "accept": In(n),
                "channel_room": In(n),
                "channel_empty": In(n),
                "failed": In(n),
                "oldest": In(data.ArrayLayout(issued_layout(bits), n)),
                "entry": Out(issued_layout(bits)),
                "expired": In(1),
                "issue": Out(1),
                "control_signals": Out(data.ArrayLayout(SIGNAL, SIGNALS)),
                "ready_to_issue": Out(1),
                "decoded": Out(1),
                "state": Out(STATE_BITS),
                "error": Out(error_layout(bits)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        head = self.head
        code = self._waiting(m)
        pc = Signal(self._address_bits)  # of the oldest instruction that has not issued
        refused, free = Signal(), Signal()
        is_halt, is_nop, control = Signal(), Signal(), Signal()
        channel = Cat(
            Cat(head.opcode == o for o, c in CHANNEL_OF.items() if c is mine).any() for mine in self._channels
        )
        m.d.comb += [
            # the registers name the first in program order: a transfer before it may still fail
            refused.eq(self.here & (code != ErrorCode.NONE) & self.channel_empty.all()),
            self.decoded.eq(self.here & (code == ErrorCode.NONE)),
            is_halt.eq(head.opcode == Opcode.HALT),
            is_nop.eq(head.opcode == Opcode.NOP),
            free.eq(self.decoded & self.met.all() & (~(head.after | is_halt) | self.channel_empty.all())),
            self.ready_to_issue.eq(free),
            self.request.eq(Mux(free, channel & self.channel_room, 0)),
            control.eq(free & (is_halt | is_nop)),
            self.issue.eq(control | (self.request & self.accept).any()),
            self.entry.tag.eq(head.tag),
            self.entry.address.eq(pc),
        ]
        for n in range(WAITS):
            for part in ("kind", "semaphore", "value"):
                m.d.comb += self.wait[n][part].eq(head[f"wait{n}_{part}"])
        for n in range(SIGNALS):
            wanted = head[f"signal{n}_kind"] == SignalKind.INCREMENT
            m.d.comb += [
                self.entry.signals[n].valid.eq(wanted),
                self.entry.signals[n].semaphore.eq(head[f"signal{n}_semaphore"]),
                self.control_signals[n].valid.eq(control & wanted),
                self.control_signals[n].semaphore.eq(head[f"signal{n}_semaphore"]),
            ]
        with m.If(self.issue):
            m.d.sync += pc.eq(pc + INSTRUCTION_BYTES)
        with m.If(self.start):
            m.d.sync += pc.eq(self.address)
        self._state(m, pc, code, refused, halted=control & is_halt)

        rules = Rules(m, platform)
        running = self.state == QueueState.RUNNING
        rules.never(self.push & ~self.room, "an instruction that is decoded has a place")
        rules.never(self.issue & ~running, "only a queue that runs issues")
        rules.never(self.issue & (code != ErrorCode.NONE), "only a legal instruction issues")
        rules.never(self.start & running, "a queue that runs is not started")
        rules.never(self.start & ~self.channel_empty.all(), "a start waits for what is unfinished")
        rules.never(running & pc[: INSTRUCTION_BYTES.bit_length() - 1].any(), "a queue runs on whole instructions")
        rules.one_at_most(self.request, "an instruction goes to one channel")
        rules.never(self.request & ~self.channel_room, "an instruction goes to a channel that has room")
        rules.never(self.expired & self.issue, "the watchdog does not expire while something issues")
        rules.keeps(self.here & ~self.issue, head, "the head stays until it issues")
        asked = rules.before(self.request & ~self.accept, reset_less=False)
        rules.never(Mux(running, asked & ~self.request, 0), "a request stays until it is accepted or the queue stops")
        return m

    def _waiting(self, m: Module) -> Signal:
        """The decoded instructions; returns the verdict on the head and makes `here`: it is known."""
        mask = queue_bits(self._queue, self._config)
        words = Array(Signal(INSTRUCTION, name=f"word{n}", reset_less=True) for n in range(DECODED_INSTRUCTIONS))
        codes = Array(Signal(CODE_BITS, name=f"code{n}", reset_less=True) for n in range(DECODED_INSTRUCTIONS))
        oldest, newest = Signal(range(DECODED_INSTRUCTIONS)), Signal(range(DECODED_INSTRUCTIONS))
        judged = Signal(range(DECODED_INSTRUCTIONS))
        level = Signal(range(DECODED_INSTRUCTIONS + 1))
        pushed = Signal()
        code = Signal(CODE_BITS)
        self.here = Signal()
        m.d.comb += [
            self.room.eq(level != DECODED_INSTRUCTIONS),
            self.head.eq(words[oldest]),
            code.eq(codes[oldest]),
            # the instruction pushed in the previous cycle has no verdict yet
            self.here.eq((self.state == QueueState.RUNNING) & (level > pushed)),
        ]
        m.d.sync += [pushed.eq(self.push), level.eq(level + self.push - self.issue)]
        with m.If(self.push):
            m.d.sync += [words[newest].eq(self.word & mask), judged.eq(newest), newest.eq(newest + 1)]
        with m.If(pushed):
            m.d.sync += codes[judged].eq(self.code)
        with m.If(self.issue):
            m.d.sync += oldest.eq(oldest + 1)
        with m.If(self.start):
            m.d.sync += [level.eq(0), pushed.eq(0), oldest.eq(0), newest.eq(0)]
        return code

    def _state(self, m: Module, pc: Signal, code: Signal, refused: Signal, *, halted) -> None:
        rows = [CHANNELS[c] for c in self._channels]
        failed = [(n, row.fault) for n, row in enumerate(rows) if row.fault]
        stop = Signal.like(self.error)
        stops = Signal()
        running = Signal()
        m.d.comb += running.eq(self.state == QueueState.RUNNING)
        with m.If(self.expired):
            tag = Mux(self.here, self.head.tag, 0)
            m.d.comb += [stops.eq(1), stop.code.eq(ErrorCode.WATCHDOG), stop.address.eq(pc), stop.tag.eq(tag)]
            for n in reversed(range(len(self._channels))):
                with m.If(~self.channel_empty[n]):
                    m.d.comb += [stop.address.eq(self.oldest[n].address), stop.tag.eq(self.oldest[n].tag)]
        with m.If(refused):
            tag = Mux(code == ErrorCode.FETCH, 0, self.head.tag)
            m.d.comb += [stops.eq(1), stop.code.eq(code), stop.address.eq(pc), stop.tag.eq(tag)]
        for n, fault in reversed(failed):
            with m.If(self.failed[n]):
                place = self.oldest[n]
                m.d.comb += [
                    stops.eq(1),
                    stop.code.eq(fault),
                    stop.address.eq(place.address),
                    stop.tag.eq(place.tag),
                ]
        with m.If(self.start):
            m.d.sync += [self.state.eq(QueueState.IDLE), self.error.eq(0)]
            with m.If(self.enable & (self.address % INSTRUCTION_BYTES != 0)):
                m.d.sync += [
                    self.state.eq(QueueState.ERROR),
                    self.error.code.eq(ErrorCode.ALIGNMENT),
                    self.error.address.eq(self.address),
                ]
            with m.Elif(self.enable):
                m.d.sync += self.state.eq(QueueState.RUNNING)
        with m.Elif(running & stops):
            m.d.sync += [self.state.eq(QueueState.ERROR), self.error.eq(stop)]
        with m.Elif(halted):
            m.d.sync += self.state.eq(QueueState.HALTED)
