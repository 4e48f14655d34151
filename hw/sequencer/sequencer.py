"""The sequencer: five queues with their fetch, semaphores, control registers and interrupt, wired."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from makalu.hw.arith.random_bits import seeding
from makalu.hw.lib.axi import AxiLiteSignature, AxiSignature
from makalu.hw.lib.emit import place
from makalu.hw.lib.instruction import INSTRUCTION
from makalu.hw.lib.rules import Rules
from makalu.hw.sequencer.buffer import InstructionBuffer
from makalu.hw.sequencer.counters import QueueCounters
from makalu.hw.sequencer.decode import Decoder
from makalu.hw.sequencer.fetch import Fetch
from makalu.hw.sequencer.finish import TAG_BITS, FinishFifo
from makalu.hw.sequencer.queue import IssueQueue
from makalu.hw.sequencer.registers import ControlPort
from makalu.hw.sequencer.run_state import RunState
from makalu.hw.sequencer.semaphores import COUNTER_BITS, Semaphores
from makalu.hw.sequencer.watchdog import Watchdog
from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS, QUEUE_STREAMS, STREAMS, Channel, finish_depth
from makalu.spec.isa import QUEUES, SIGNALS, WAITS, Queue
from makalu.spec.registers import COUNTERS, REGISTER_BITS, QueueState

__all__ = ["TRACE", "Sequencer"]

TRACE = data.StructLayout({"valid": 1, "tag": TAG_BITS})

_PORTS = (len(Channel) + len(QUEUES)) * SIGNALS


class Sequencer(wiring.Component):
    """Fetches, checks and issues five instruction streams in order; counts their signals when they finish.

    Does not: execute; know the engines' timing; know where memory is behind the bus.

    Parameters
    ----------
    config : CoreConfig

    Members
    -------
    control : In(AxiLiteSignature)
        Registers of `spec/registers.py`.
    instructions : Out(AxiSignature)
        Read-only instruction port.
    irq : Out(1)
    tensor, vector, scalar, dma_load, dma_store : Out(stream.Signature(INSTRUCTION)), one of each row of `STREAMS`
        Checked commands; an issue is a cycle with valid and ready. Valid does not depend on ready.
    finish_tensor_load, finish_matmul, finish_vector, finish_scalar, finish_dma_load, finish_dma_store : In(1)
        One of each row of `CHANNELS`. The oldest instruction of the channel is done; at the earliest in the cycle after
        its issue.
    error_tensor_load, error_matmul, error_dma_load, error_dma_store : In(1), of the rows with a fault
        Instead of the finish: an error in the oldest instruction of the channel. All its unfinished instructions are
        forgotten without signals (one that issues in this cycle too), and no finish of theirs may follow.
    active, stalled : In(5)
        A queue's engine holds an instruction; it waits for a port in this cycle. Bits in the order of `Queue`; Sync
        has the DMA's load channel, GpSimd its store channel.
    seeding : Out({start, seed})
        Where there is stochastic rounding: a start takes place, and the register `seed`.
    trace_issue : Out(ArrayLayout({valid, tag}, 5)), trace_finish : Out(ArrayLayout({valid, tag}, 6))
        In the cycle of the event; by `Queue` and by `Channel`. `nop` and `halt` show in trace_issue only.
    semaphore_update, semaphores : Out(ArrayLayout)
        Increments of this cycle; counters.

    Timing
    ------
    Finish in cycle t: semaphores show it in t + 1, and an instruction that waits for it may issue in t + 1. `nop` and
    `halt` signal in their issue cycle. A start is written in cycle t (accepted on the control port); it takes place in
    the first cycle from t + 1 in which no fetch is open, no instruction unfinished and no engine active; queues run in
    the cycle after, with their first ARVALID one later. From the last beat of an instruction in cycle t, with an empty
    queue: available t + 1, may issue in t + 1 + DECODE_CYCLES. Instructions decode one in DECODE_PERIOD cycles a queue;
    two that are decoded may issue in consecutive cycles.

    Errors: `ErrorCode`; the queue stops in the cycle after, the interrupt rises two cycles after that.
    """

    module_name = "sequencer"

    def __init__(self, *, config: CoreConfig):
        self._config = config
        command = Out(stream.Signature(INSTRUCTION))
        bits = config.bus.address_bits
        fetch = AxiSignature(read=True, write=False, data_bytes=config.bus.instruction_bytes, address_bits=bits)
        count = config.sequencer.semaphores
        super().__init__(
            {
                "control": In(AxiLiteSignature()),
                "instructions": Out(fetch),
                "irq": Out(1),
                **{name: command for name in STREAMS},
                **{row.finish: In(1) for row in CHANNELS.values()},
                **{row.error: In(1) for row in CHANNELS.values() if row.error},
                "active": In(len(QUEUES)),
                "stalled": In(len(QUEUES)),
                **({"seeding": Out(seeding())} if config.stochastic else {}),
                "trace_issue": Out(data.ArrayLayout(TRACE, len(QUEUES))),
                "trace_finish": Out(data.ArrayLayout(TRACE, len(Channel))),
                "semaphore_update": Out(data.ArrayLayout(_PORTS.bit_length(), count)),
                "semaphores": Out(data.ArrayLayout(COUNTER_BITS, count)),
            }
        )

    @property
    def emit_key(self) -> tuple[str]:
        return (self._config.digest,)

    def elaborate(self, platform):
        m = Module()
        config = self._config
        m.submodules.control_port = port = ControlPort(config=config)
        m.submodules.fetch = fetch = Fetch(config=config)
        m.submodules.semaphore = semaphores = Semaphores(config=config, waits=len(QUEUES) * WAITS, signals=_PORTS)
        m.submodules.watchdog = watchdog = Watchdog()
        connect(m, flipped(self.control), port.bus)
        connect(m, fetch.bus, flipped(self.instructions))

        queues = {}
        for q in QUEUES:
            m.submodules[f"queue_{q.name.lower()}"] = queues[q] = IssueQueue(config=config, queue=q)
        fifos = {}
        for c in Channel:
            depth = finish_depth(config, c)
            fifos[c] = FinishFifo(depth=depth, address_bits=config.bus.address_bits)
            m.submodules[f"finish_{c.name.lower()}"] = place(fifos[c], platform)

        m.submodules.run_state = run = RunState()
        start = run.start
        m.d.comb += [
            run.request.eq(port.start),
            run.drained.eq(fetch.quiet & ~self.active.any() & Cat(fifos[c].empty for c in Channel).all()),
            run.running.eq(Cat(queues[q].state == QueueState.RUNNING for q in QUEUES)),
            run.halted.eq(Cat(queues[q].state == QueueState.HALTED for q in QUEUES)),
            run.errors.eq(Cat(queues[q].state == QueueState.ERROR for q in QUEUES)),
            self.irq.eq(port.irq),
        ]
        if config.stochastic:
            m.d.comb += [self.seeding.start.eq(start), self.seeding.seed.eq(port.seed)]
        for q in QUEUES:
            self._queue(m, platform, q, queues[q], fetch, port, fifos, start)
        for c in Channel:
            self._channel(m, c, fifos[c], semaphores)
        self._semaphores(m, semaphores, queues, start)
        m.d.comb += [
            fetch.start.eq(start),
            fetch.addresses.eq(port.addresses),
            fetch.running.eq(run.running),
            watchdog.limit.eq(port.watchdog),
            watchdog.activity.eq(
                ~run.running.any()
                | Cat(queues[q].issue for q in QUEUES).any()
                | Cat(self.trace_finish[c].valid for c in Channel).any()
                | (self.active & ~self.stalled).any()
            ),
        ]
        m.d.comb += [queues[q].expired.eq(watchdog.expired) for q in QUEUES]
        self._status(m, platform, port, queues, run)

        rules = Rules(m, platform)
        for c, row in CHANNELS.items():
            finish = getattr(self, row.finish)
            rules.never(finish & fifos[c].empty, f"{row.finish} comes only for what was issued")
            if row.error:
                rules.never(finish & getattr(self, row.error), f"{row.finish} and {row.error} never together")
        return m

    def _queue(self, m: Module, platform, q: Queue, queue: IssueQueue, fetch, port, fifos, start) -> None:
        """Buffer, decoder, queue; commands to its engines; entries of its channels."""
        name = q.name.lower()
        buffer = InstructionBuffer(config=self._config)
        m.submodules[f"buffer_{name}"] = place(buffer, platform)
        m.submodules[f"decode_{name}"] = decoder = Decoder(config=self._config, queue=q)
        channels = QUEUE_CHANNELS[q]
        m.d.comb += [
            buffer.clear.eq(start),
            buffer.fill_valid.eq(fetch.fill_valid[q]),
            buffer.fill.eq(fetch.fill),
            buffer.read.eq(decoder.read),
            fetch.taken[q].eq(decoder.read),
            decoder.clear.eq(start),
            decoder.available.eq(buffer.available),
            decoder.word.eq(buffer.word),
            decoder.fault.eq(buffer.fault),
            decoder.room.eq(queue.room),
            queue.start.eq(start),
            queue.enable.eq(port.enable[q]),
            queue.address.eq(port.addresses[q]),
            queue.push.eq(decoder.push),
            queue.word.eq(buffer.word),
            queue.code.eq(decoder.code),
            self.trace_issue[q].valid.eq(queue.issue),
            self.trace_issue[q].tag.eq(Mux(queue.issue, queue.head.tag, 0)),
        ]
        for target in QUEUE_STREAMS[q]:
            command = getattr(self, target)
            asked = Cat(queue.request[n] for n, c in enumerate(channels) if CHANNELS[c].stream == target)
            m.d.comb += [command.valid.eq(asked.any()), command.payload.eq(queue.head)]
        for n, c in enumerate(channels):
            fifo, row = fifos[c], CHANNELS[c]
            m.d.comb += [
                queue.accept[n].eq(getattr(self, row.stream).ready),
                queue.channel_room[n].eq(fifo.room),
                queue.channel_empty[n].eq(fifo.empty),
                queue.oldest[n].eq(fifo.head),
                fifo.push.eq(queue.request[n] & queue.accept[n]),
                fifo.entry.eq(queue.entry),
            ]
            if row.error:
                m.d.comb += queue.failed[n].eq(getattr(self, row.error) & ~fifo.empty)

    def _channel(self, m: Module, c: Channel, fifo: FinishFifo, semaphores: Semaphores) -> None:
        finished, row = self.trace_finish[c], CHANNELS[c]
        finish, error = getattr(self, row.finish), getattr(self, row.error) if row.error else 0
        m.d.comb += [
            fifo.pop.eq(finish),
            fifo.flush.eq(error),
            finished.valid.eq(finish & ~fifo.empty & ~error),
            finished.tag.eq(Mux(finished.valid, fifo.head.tag, 0)),
        ]
        for n in range(SIGNALS):
            signal = semaphores.signal[SIGNALS * c + n]
            m.d.comb += [
                signal.valid.eq(finished.valid & fifo.head.signals[n].valid),
                signal.semaphore.eq(fifo.head.signals[n].semaphore),
            ]

    def _semaphores(self, m: Module, semaphores: Semaphores, queues: dict[Queue, IssueQueue], start) -> None:
        m.d.comb += [
            semaphores.clear.eq(start),
            self.semaphore_update.eq(semaphores.update),
            self.semaphores.eq(semaphores.values),
        ]
        for q in QUEUES:
            for n in range(WAITS):
                m.d.comb += semaphores.wait[WAITS * q + n].eq(queues[q].wait[n])
            m.d.comb += queues[q].met.eq(semaphores.met[WAITS * q : WAITS * (q + 1)])
            for n in range(SIGNALS):
                m.d.comb += semaphores.signal[SIGNALS * (len(Channel) + q) + n].eq(queues[q].control_signals[n])

    def _status(self, m: Module, platform, port: ControlPort, queues, run: RunState) -> None:
        """Counters and everything that the control port shows."""
        any_running = Signal()
        m.d.comb += [
            any_running.eq(run.running.any()),
            port.done.eq(run.done_rises),
            port.error.eq(run.error_rises),
            port.status.status.eq(run.status),
            port.status.cycles.eq(run.cycles),
        ]
        for q in QUEUES:
            name, queue = q.name.lower(), queues[q]
            counters = QueueCounters()
            m.submodules[f"counters_{name}"] = place(counters, platform)
            m.d.comb += [
                counters.clear.eq(run.start),
                counters.count.eq(any_running),
                counters.running.eq(run.running[q]),
                counters.issue.eq(queue.issue),
                counters.ready_to_issue.eq(queue.ready_to_issue),
                counters.decoded.eq(queue.decoded),
                counters.active.eq(self.active[q]),
                counters.stalled.eq(self.stalled[q]),
                port.status[f"{name}_state"].eq(queue.state),
                port.status[f"{name}_error"].eq(queue.error.code),
                port.status[f"{name}_error_low"].eq(queue.error.address[:REGISTER_BITS]),
                port.status[f"{name}_error_high"].eq(queue.error.address[REGISTER_BITS:]),
                port.status[f"{name}_tag"].eq(queue.error.tag),
            ]
            m.d.comb += [port.status[f"{name}_{c}"].eq(counters.counters[c]) for c in COUNTERS]
