"""The sequencer, cycle by cycle: every port, given the handshakes of both AXI ports, ready, finish and error inputs."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.engines import CHANNELS, QUEUE_CHANNELS, STREAMS, Channel, finish_depth
from makalu.spec.isa import FIELDS, QUEUES, SEMAPHORE_BITS, SIGNALS
from makalu.spec.registers import REGISTER_BITS, QueueState, Status

from .control_port import ControlPortModel
from .instruction_fetch import FetchModel
from .issue_queue import Issued, IssueQueueModel

__all__ = ["SequencerModel"]

_NO_REQUEST: dict[str, int | None] = {f"{s}__valid": False for s in STREAMS}
_NO_REQUEST |= {f"{s}__payload": None for s in STREAMS}
_TAG_BITS = FIELDS["tag"].bits
_COUNTER_BITS = SEMAPHORE_BITS
_UPDATE_BITS = ((len(Channel) + len(QUEUES)) * SIGNALS).bit_length()
"""Every channel that finishes and every queue's `nop` may signal one semaphore in the same cycle."""


@dataclass(frozen=True, kw_only=True)
class _Step:
    """What happens in one cycle, queue by queue and channel by channel; ports and edge both follow from it."""

    free: list[bool]
    requests: list[Channel | None]
    issues: list[bool]
    failures: list[Channel]
    finished: dict[Channel, Issued]
    signals: list[int]
    """Semaphores that are signalled, each as often as it is."""


class SequencerModel:
    """Lockstep model of `hw/sequencer/sequencer.py`.

    `comb(inputs)` gives every output port by its Verilog name, None where a port carries nothing in this cycle (payload
    without valid). `tick(inputs)` is the clock edge. Cycle 0 is the first after reset.

    Does not: execute an instruction, know how long an engine takes, or hold the memory behind the instruction port.

    Parameters
    ----------
    config : CoreConfig

    Errors: none are raised for what a program or a bus does; a refused instruction, an error of an engine and the
    watchdog show in the queue's registers, as in the RTL. `KeyError`: an input port that the cycle looks at is missing.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.port = ControlPortModel(config, self._status)
        self.fetch = FetchModel(config)
        self.queues = [IssueQueueModel(config, q) for q in QUEUES]
        self.unfinished: dict[Channel, deque[Issued]] = {c: deque() for c in Channel}
        self._depth = {c: finish_depth(config, c) for c in Channel}
        self.semaphores = [0] * config.sequencer.semaphores
        self.cycles = 0
        self.starting = False
        """A start is written and waits for the core to drain."""
        self._settled: tuple[dict[str, int], _Step] | None = None
        """What `comb` found for these inputs: the edge takes it again."""
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

    def preset(self, values: Mapping[int, int]) -> None:
        """Semaphores that a bench overwrites in the middle of a cycle."""
        for semaphore, value in values.items():
            self.semaphores[semaphore] = value
        self._settled = None

    def _step(self, inputs: Mapping[str, int]) -> _Step:
        if self._settled is None or self._settled[0] != inputs:
            self._settled = (dict(inputs), self._new_step(inputs))
        return self._settled[1]

    def _new_step(self, inputs: Mapping[str, int]) -> _Step:
        room = {c: len(u) < self._depth[c] for c, u in self.unfinished.items()}
        outstanding = [any(self.unfinished[c] for c in q.channels) for q in self.queues]
        free = [q.free(self.semaphores, o) for q, o in zip(self.queues, outstanding, strict=True)]
        requests = [q.request(f, room) for q, f in zip(self.queues, free, strict=True)]
        controls = [q.controls(f) for q, f in zip(self.queues, free, strict=True)]
        accepted = [c is not None and bool(inputs[f"{CHANNELS[c].stream}__ready"]) for c in requests]
        failures = [c for c, u in self.unfinished.items() if u and (port := CHANNELS[c].error) and inputs[port]]
        finishing = [c for c, u in self.unfinished.items() if u and inputs[CHANNELS[c].finish] and c not in failures]
        finished = {c: self.unfinished[c][0] for c in finishing}
        done = [*finished.values(), *(q.issued() for q, c in zip(self.queues, controls, strict=True) if c)]
        return _Step(
            free=free,
            requests=requests,
            issues=[a or c for a, c in zip(accepted, controls, strict=True)],
            failures=failures,
            finished=finished,
            signals=[s for issued in done for s in issued.signals],
        )

    def _starts_now(self, inputs: Mapping[str, int]) -> bool:
        idle = self.fetch.quiet and not inputs["active"] and not any(self.unfinished.values())
        return self.starting and idle

    def comb(self, inputs: Mapping[str, int]) -> dict[str, int | None]:
        out = self.port.comb(inputs) | self.fetch.comb()
        step = self._step(inputs)
        out |= _NO_REQUEST
        for queue, channel in zip(self.queues, step.requests, strict=True):
            if channel is not None:
                stream = CHANNELS[channel].stream
                out |= {f"{stream}__valid": True, f"{stream}__payload": queue.word}
        width = 1 + _TAG_BITS
        tags = [q.issued().tag << 1 | 1 if i else 0 for q, i in zip(self.queues, step.issues, strict=True)]
        out["trace_issue"] = sum(t << (width * n) for n, t in enumerate(tags))
        out["trace_finish"] = sum((issued.tag << 1 | 1) << (width * c) for c, issued in step.finished.items())
        out["semaphore_update"] = sum(1 << (_UPDATE_BITS * s) for s in step.signals)
        out["semaphores"] = sum(v << (_COUNTER_BITS * s) for s, v in enumerate(self.semaphores))
        if self.config.stochastic:
            seeding = self.seeding(inputs)
            out["seeding"] = seeding["start"] | seeding["seed"] << 1
        return out

    def seeding(self, inputs: Mapping[str, int]) -> dict[str, int]:
        """What a start tells the generators of random bits."""
        return {"start": int(self._starts_now(inputs)), "seed": self.port.stored["seed"]}

    # the edge

    def tick(self, inputs: Mapping[str, int]) -> None:
        step, starts = self._step(inputs), self._starts_now(inputs)
        self._settled = None
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
        moved = any(step.issues) or bool(step.finished) or works or not any_running
        expired = limit != 0 and self._quiet_cycles >= limit and not moved
        self._quiet_cycles = 0 if moved or expired or limit == 0 else self._quiet_cycles + 1

        if starts:
            for q in QUEUES:
                self.queues[q].start(enabled=bool(enable >> q & 1), address=addresses[q])
            self.fetch.start(addresses)
            self.semaphores = [0] * len(self.semaphores)
            self.cycles = 0
            return

        for semaphore in step.signals:
            self.semaphores[semaphore] = (self.semaphores[semaphore] + 1) % (1 << _COUNTER_BITS)
        self.cycles = (self.cycles + any_running) % (1 << REGISTER_BITS)
        taken = [q.reads(bool(b)) for q, b in zip(self.queues, self.fetch.buffers, strict=True)]
        read = [b.popleft() if t else None for t, b in zip(taken, self.fetch.buffers, strict=True)]
        going = zip(self.queues, step.issues, step.requests, strict=True)
        entries = [q.issued() if i and c is not None else None for q, i, c in going]
        for n, queue in enumerate(self.queues):
            if any_running:
                queue.count(
                    issue=step.issues[n],
                    free=step.free[n],
                    active=bool(inputs["active"] >> n & 1),
                    stalled=bool(inputs["stalled"] >> n & 1),
                )
            errored = next((c for c in step.failures if c in QUEUE_CHANNELS[queue.queue]), None)
            queue.tick(
                issue=step.issues[n],
                taken=read[n],
                fault=None if errored is None else (CHANNELS[errored].fault, self.unfinished[errored][0]),
                expired=expired,
                oldest=next((self.unfinished[c][0] for c in queue.channels if self.unfinished[c]), None),
            )
        self.fetch.tick(inputs, running=running, taken=taken)
        for channel in step.finished:
            self.unfinished[channel].popleft()
        for entry, target in zip(entries, step.requests, strict=True):
            if entry is not None and target is not None:
                self.unfinished[target].append(entry)
        for channel in step.failures:
            self.unfinished[channel].clear()
