"""The memory contract `fixed` (spec/memory.py), cycle by cycle: `sw/rtl/memory.v` without random stalls."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from makalu.spec.axi import BURST_INCR, Response
from makalu.spec.memory import CAP_BEATS, MemoryTiming

__all__ = ["FixedMemory"]

Ports = Mapping[str, int]


@dataclass
class _Burst:
    addr: int
    len: int
    id: int
    bad: bool
    due: int
    beat: int = 0
    error: bool = False


class _Reader:
    """Bursts of one read port, and the beat that is offered."""

    def __init__(self, *, prefix: str, beat_bytes: int, limit: int, latency: int) -> None:
        self.prefix, self.beat_bytes, self.limit, self.latency = prefix, beat_bytes, limit, latency
        self.queue: deque[_Burst] = deque()
        self.held: dict[str, int] | None = None

    def want(self, now: int) -> bool:
        return self.held is None and bool(self.queue) and now >= self.queue[0].due

    def beat(self, memory: NDArray[np.uint8], granted: bool) -> dict[str, int]:
        """R in this cycle; payload is 0 while not valid."""
        if self.held is not None:
            return self.held
        if not granted:
            return {"valid": 0, "data": 0, "resp": 0, "last": 0, "id": 0}
        head = self.queue[0]
        place = head.addr + head.beat * self.beat_bytes
        error = head.bad or place + self.beat_bytes > memory.size
        data = 0 if error else int.from_bytes(memory[place : place + self.beat_bytes].tobytes(), "little")
        resp = int(Response.SLVERR if error else Response.OKAY)
        return {"valid": 1, "data": data, "resp": resp, "last": int(head.beat == head.len), "id": head.id}

    def tick(self, now: int, inputs: Ports, r: dict[str, int], ar_ready: int) -> None:
        self.held = None
        if r["valid"] and not inputs[f"{self.prefix}__r__ready"]:
            self.held = r
        elif r["valid"]:
            if r["last"]:
                self.queue.popleft()
            else:
                self.queue[0].beat += 1
        if ar_ready and inputs[f"{self.prefix}__ar__valid"]:
            self.queue.append(_accept(inputs, f"{self.prefix}__ar", self.beat_bytes, now + 1 + self.latency))


def _accept(inputs: Ports, channel: str, beat_bytes: int, due: int) -> _Burst:
    full = 1 << inputs[f"{channel}__size"] == beat_bytes
    return _Burst(
        addr=inputs[f"{channel}__addr"] & -beat_bytes,
        len=inputs[f"{channel}__len"],
        id=inputs[f"{channel}__id"],
        bad=not full or inputs[f"{channel}__burst"] != BURST_INCR,
        due=due,
    )


class FixedMemory:
    """One byte array behind the data and the instruction port.

    Inputs and outputs are dicts of port name (`data__ar__valid`, ...) to value, as on `memory.v`; state is that of
    cycle 0 after construction. `comb` is pure; `tick` makes the edge at the end of the cycle.

    Parameters: `memory` uint8 [size_bytes], changed in place; `timing`; width of a beat of either port in bytes.
    Does not: stall at random, check AXI's rules.
    """

    def __init__(
        self, *, memory: NDArray[np.uint8], timing: MemoryTiming, data_bytes: int, instruction_bytes: int
    ) -> None:
        self.memory, self.timing, self.data_bytes = memory, timing, data_bytes
        self.cycle = 0
        latency = timing.latency
        self.reader = _Reader(prefix="data", beat_bytes=data_bytes, limit=timing.outstanding_reads, latency=latency)
        self.fetcher = _Reader(
            prefix="instructions",
            beat_bytes=instruction_bytes,
            limit=timing.outstanding_instructions,
            latency=latency,
        )
        self.writes: deque[_Burst] = deque()
        """Bursts that have not had all their W beats."""
        self.responses: deque[_Burst] = deque()
        self.cost = data_bytes * timing.denominator
        self.tokens = CAP_BEATS * self.cost
        self.last_was_write = True

    def _grants(self, inputs: Ports) -> tuple[bool, bool]:
        want_r = self.reader.want(self.cycle)
        want_w = bool(inputs["data__w__valid"]) and bool(self.writes)
        fits_one, fits_two = self.tokens >= self.cost, self.tokens >= 2 * self.cost
        if want_r and want_w and not fits_two:
            return fits_one and self.last_was_write, fits_one and not self.last_was_write
        return want_r and fits_one, want_w and fits_one

    def comb(self, inputs: Ports) -> dict[str, int]:
        """All outputs of this cycle; payload of R and B is 0 while its valid is."""
        timing, now = self.timing, self.cycle
        grant_r, grant_w = self._grants(inputs)
        response = self.responses[0] if self.responses and now >= self.responses[0].due else None
        outputs = {
            "data__aw__ready": int(len(self.writes) + len(self.responses) < timing.outstanding_writes),
            "data__w__ready": int(grant_w),
            "data__b__valid": int(response is not None),
            "data__b__resp": int(Response.SLVERR if response is not None and response.error else Response.OKAY),
            "data__b__id": response.id if response is not None else 0,
        }
        for reader, granted in ((self.reader, grant_r), (self.fetcher, self.fetcher.want(now))):
            outputs[f"{reader.prefix}__ar__ready"] = int(len(reader.queue) < reader.limit)
            beat = reader.beat(self.memory, granted)
            outputs.update({f"{reader.prefix}__r__{name}": value for name, value in beat.items()})
        return outputs

    def tick(self, inputs: Ports, outputs: Ports | None = None) -> None:
        """The edge that ends this cycle; `outputs` is what `comb(inputs)` gave in it, if the caller has it."""
        timing, now = self.timing, self.cycle
        outputs = outputs or self.comb(inputs)
        grant_r, grant_w = self._grants(inputs)
        for reader in (self.reader, self.fetcher):
            beat = {name: outputs[f"{reader.prefix}__r__{name}"] for name in ("valid", "data", "resp", "last", "id")}
            reader.tick(now, inputs, beat, outputs[f"{reader.prefix}__ar__ready"])
        if outputs["data__b__valid"] and inputs["data__b__ready"]:
            self.responses.popleft()
        if grant_w:
            self._write(inputs)
        if outputs["data__aw__ready"] and inputs["data__aw__valid"]:
            self.writes.append(_accept(inputs, "data__aw", self.data_bytes, 0))
        spent = self.cost * (int(grant_r) + int(grant_w))
        self.tokens = min(self.tokens - spent + timing.numerator, CAP_BEATS * self.cost)
        if grant_r != grant_w:
            self.last_was_write = grant_w
        self.cycle += 1

    def _write(self, inputs: Ports) -> None:
        head = self.writes[0]
        place = head.addr + head.beat * self.data_bytes
        outside = place + self.data_bytes > self.memory.size
        last = head.beat == head.len
        if not (outside or head.bad):
            data = inputs["data__w__data"].to_bytes(self.data_bytes, "little")
            for lane in range(self.data_bytes):
                if inputs["data__w__strb"] >> lane & 1:
                    self.memory[place + lane] = data[lane]
        head.error |= outside or head.bad or last != bool(inputs["data__w__last"])
        head.beat += 1
        if last:
            head.due = self.cycle + 1 + self.timing.latency
            self.responses.append(self.writes.popleft())
