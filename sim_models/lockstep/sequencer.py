"""The sequencer, cycle by cycle: every port, given the handshakes of both AXI ports, ready, finish and error inputs."""

from collections import deque
from collections.abc import Mapping

from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.errors import ErrorCode
from makalu.hw.spec.isa import FIELDS, QUEUES, SEMAPHORE_BITS
from makalu.hw.spec.registers import REGISTER_BITS, QueueState, Status
from makalu.hw.spec.sequencer import QUEUE_CHANNELS, Channel, finish_depth

from .control_port import ControlPortModel
from .instruction_fetch import FetchModel
from .issue_queue import Issued, IssueQueueModel

__all__ = ["SequencerModel"]

_STREAM = {
    Channel.TENSOR_LOAD: "tensor",
    Channel.MATMUL: "tensor",
    Channel.VECTOR: "vector",
    Channel.SCALAR: "scalar",
    Channel.DMA_LOAD: "dma_load",
    Channel.DMA_STORE: "dma_store",
}
_BUS_ERROR = {
    Channel.DMA_LOAD: ("error_load", ErrorCode.BUS_READ),
    Channel.DMA_STORE: ("error_store", ErrorCode.BUS_WRITE),
}
_TAG_BITS = FIELDS["tag"].bits
_COUNTER_BITS = SEMAPHORE_BITS
_UPDATE_BITS = 5
"""(6 channels + 4 queues) * 2 signals = 20 increments of one semaphore in a cycle at most."""


def _finish(channel: Channel) -> str:
    return "finish_matmul" if channel is Channel.MATMUL else f"finish_{channel.name.lower()}"


class SequencerModel:
    """Lockstep model of `hw/sequencer/sequencer.py`.

    `comb(inputs)` gives every output port by its Verilog name, None where a port carries nothing in this cycle (payload
    without valid). `tick(inputs)` is the clock edge. Cycle 0 is the first after reset.

    Does not: execute an instruction, know how long an engine takes, or hold the memory behind the instruction port.

    Parameters
    ----------
    config : CoreConfig

    Errors: none are raised for what a program or a bus does; a refused instruction, a bus error and the watchdog show
    in the queue's registers, as in the RTL. `KeyError`: an input port that the cycle looks at is missing.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.port = ControlPortModel(config, self._status)
        self.fetch = FetchModel(config)
        self.queues = [IssueQueueModel(config, q) for q in QUEUES]
        self.unfinished: dict[Channel, deque[Issued]] = {c: deque() for c in Channel}
        self.semaphores = [0] * config.sequencer.semaphores
        self.cycles = 0
        self.starting = False
        """A start is written and waits for the core to drain."""
        self._quiet_cycles = 0
        self._was_done = False
        self._were_errors = [False] * len(QUEUES)

    # status

    def _done(self) -> bool:
        states = [q.state for q in self.queues]
        return QueueState.HALTED in states and not {QueueState.RUNNING, QueueState.ERROR} & set(states)

    def any_running(self) -> bool:
        """A queue runs in this cycle."""
        return any(q.running for q in self.queues)

    def _status(self, name: str) -> int:
        if name == "cycles":
            return self.cycles
        if name == "status":
            error = any(q.state is QueueState.ERROR for q in self.queues)
            running = self.starting or self.any_running()
            return (running and Status.RUNNING) | (self._done() and Status.DONE) | (error and Status.ERROR)
        owner, part = name.split("_", 1)
        queue = next(q for q in self.queues if q.queue.name.lower() == owner)
        code, address, tag = queue.error
        if part in queue.counters:
            return queue.counters[part]
        parts = {"state": queue.state, "error": code, "error_low": address, "tag": tag}
        parts["error_high"] = address >> REGISTER_BITS
        return int(parts[part])

    # this cycle

    def _outstanding(self, queue: IssueQueueModel) -> bool:
        return any(self.unfinished[c] for c in queue.channels)

    def _room(self) -> dict[Channel, bool]:
        return {c: len(self.unfinished[c]) < finish_depth(self.config, c) for c in Channel}

    def _requests(self) -> list[Channel | None]:
        room = self._room()
        return [q.request(self.semaphores, self._outstanding(q), room) for q in self.queues]

    def _controls(self) -> list[bool]:
        return [q.controls(self.semaphores, self._outstanding(q)) for q in self.queues]

    def _issues(self, inputs: Mapping[str, int]) -> list[bool]:
        accepted = [c is not None and bool(inputs[f"{_STREAM[c]}__ready"]) for c in self._requests()]
        return [a or c for a, c in zip(accepted, self._controls(), strict=True)]

    def _failures(self, inputs: Mapping[str, int]) -> list[Channel]:
        return [c for c, (port, _) in _BUS_ERROR.items() if inputs[port] and self.unfinished[c]]

    def _finished(self, inputs: Mapping[str, int]) -> dict[Channel, Issued]:
        failed = self._failures(inputs)
        going = [c for c in Channel if inputs[_finish(c)] and c not in failed]
        return {c: self.unfinished[c][0] for c in going if self.unfinished[c]}

    def _increments(self, inputs: Mapping[str, int]) -> list[int]:
        signals = [s for issued in self._finished(inputs).values() for s in issued.signals]
        for queue, issues in zip(self.queues, self._controls(), strict=True):
            signals += queue.issued().signals if issues else ()
        return [signals.count(s) for s in range(len(self.semaphores))]

    def _starts_now(self, inputs: Mapping[str, int]) -> bool:
        idle = self.fetch.quiet and not inputs["active"] and not any(self.unfinished.values())
        return self.starting and idle

    def comb(self, inputs: Mapping[str, int]) -> dict[str, int | None]:
        out = self.port.comb(inputs) | self.fetch.comb()
        requests = self._requests()
        for name in dict.fromkeys(_STREAM.values()):
            asked = [q for q, c in zip(self.queues, requests, strict=True) if c is not None and _STREAM[c] == name]
            out[f"{name}__valid"] = bool(asked)
            out[f"{name}__payload"] = asked[0].word if asked else None
        width = 1 + _TAG_BITS
        issues = self._issues(inputs)
        tags = [q.issued().tag << 1 | 1 if i else 0 for q, i in zip(self.queues, issues, strict=True)]
        out["trace_issue"] = sum(t << (width * n) for n, t in enumerate(tags))
        finished = self._finished(inputs)
        out["trace_finish"] = sum((issued.tag << 1 | 1) << (width * c) for c, issued in finished.items())
        out["semaphore_update"] = sum(n << (_UPDATE_BITS * s) for s, n in enumerate(self._increments(inputs)))
        out["semaphores"] = sum(v << (_COUNTER_BITS * s) for s, v in enumerate(self.semaphores))
        return out

    # the edge

    def tick(self, inputs: Mapping[str, int]) -> None:
        requests, issues = self._requests(), self._issues(inputs)
        finished, failures = self._finished(inputs), self._failures(inputs)
        increments, starts = self._increments(inputs), self._starts_now(inputs)
        outstanding = [self._outstanding(q) for q in self.queues]
        free = [q.free(self.semaphores, o) for q, o in zip(self.queues, outstanding, strict=True)]
        any_running, done = self.any_running(), self._done()
        running = [q.running for q in self.queues]
        errors = [q.state is QueueState.ERROR for q in self.queues]
        addresses = [self.port.address(q) for q in QUEUES]
        enable, limit = self.port.stored["enable"], self.port.stored["watchdog"]
        written = self.port.starts(inputs) and not any_running
        entered = any(now and not before for now, before in zip(errors, self._were_errors, strict=True))
        self.port.tick(inputs, done=done and not self._was_done, error=entered)
        self._was_done = done
        self._were_errors = [False] * len(QUEUES) if starts else errors
        self.starting = False if starts else self.starting or written

        works = bool(inputs["active"] & ~inputs["stalled"])
        moved = any(issues) or bool(finished) or works or not any_running
        expired = limit != 0 and self._quiet_cycles >= limit and not moved
        self._quiet_cycles = 0 if moved or expired or limit == 0 else self._quiet_cycles + 1

        if starts:
            for q in QUEUES:
                self.queues[q].start(enabled=bool(enable >> q & 1), address=addresses[q])
            self.fetch.start(addresses)
            self.semaphores = [0] * len(self.semaphores)
            self.cycles = 0
            return

        self.semaphores = [(v + n) % (1 << _COUNTER_BITS) for v, n in zip(self.semaphores, increments, strict=True)]
        self.cycles = (self.cycles + any_running) % (1 << REGISTER_BITS)
        taken = [q.reads(bool(b)) for q, b in zip(self.queues, self.fetch.buffers, strict=True)]
        read = [b.popleft() if t else None for t, b in zip(taken, self.fetch.buffers, strict=True)]
        going = zip(self.queues, issues, requests, strict=True)
        entries = [q.issued() if i and c is not None else None for q, i, c in going]
        for n, queue in enumerate(self.queues):
            if any_running:
                queue.count(
                    issue=issues[n],
                    free=free[n],
                    active=bool(inputs["active"] >> n & 1),
                    stalled=bool(inputs["stalled"] >> n & 1),
                )
            errored = next((c for c in failures if c in QUEUE_CHANNELS[queue.queue]), None)
            queue.tick(
                issue=issues[n],
                taken=read[n],
                bus_error=None if errored is None else (_BUS_ERROR[errored][1], self.unfinished[errored][0]),
                expired=expired,
                oldest=next((self.unfinished[c][0] for c in queue.channels if self.unfinished[c]), None),
            )
        self.fetch.tick(inputs, running=running, taken=taken)
        for channel in finished:
            self.unfinished[channel].popleft()
        for entry, target in zip(entries, requests, strict=True):
            if entry is not None and target is not None:
                self.unfinished[target].append(entry)
        for channel in failures:
            self.unfinished[channel].clear()
