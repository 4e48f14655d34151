"""Lockstep model of the DMA, engine and lanes together: bus and SBUF ports in every cycle."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from makalu.hw.spec.axi import Response
from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.isa import Instruction

from .dma_bursts import Burst, Step, bursts, steps, unit_count
from .dma_lane import Descriptor, Line, LoadLaneModel, PortB, Request, StoreLaneModel

__all__ = ["DmaModel"]

_LOAD_PHASE = 3
_STORE_PHASE = 7
_FAILED = Response.SLVERR  # and DECERR: the bit that both have


class _Walker:
    """Bursts of one descriptor after the other; a cycle between two descriptors."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Descriptor, list[Burst]]] = deque()
        self.left: deque[tuple[Descriptor, Burst]] = deque()

    def tick(self, taken: bool) -> None:
        if taken:
            self.left.popleft()
        elif not self.left and self.waiting:
            owner, all_bursts = self.waiting.popleft()
            self.left.extend((owner, b) for b in all_bursts)


@dataclass
class _Flight:
    """A burst between its address and the last step of its data."""

    owner: Descriptor
    burst: Burst
    steps: deque[Step]
    units: bytes = b""
    """What came so far."""


class _Channel:
    """What both directions share: the descriptors that are accepted and not finished."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.held: deque[Descriptor] = deque()
        self.flights: deque[_Flight] = deque()
        self.address: dict[str, int] | None = None
        """Burst on AR or AW."""
        self.failed = False

    def ready(self) -> bool:
        return len(self.held) < self.config.dma.queue and not self.failed

    def accept(self, command: Instruction, walkers: tuple[_Walker, ...]) -> None:
        descriptor = Descriptor()
        self.held.append(descriptor)
        for walker in walkers:
            walker.waiting.append((descriptor, bursts(self.config, command)))

    def _begin(self, burst: Burst) -> None:
        beat = self.config.bus.data_bytes
        place = burst.address % beat
        self.address = {"addr": burst.address - place, "len": unit_count(place, burst.length, beat) - 1}


class _Load(_Channel):
    def __init__(self, config: CoreConfig) -> None:
        super().__init__(config)
        self.walker = _Walker()
        self.lanes = [LoadLaneModel(config) for _ in range(config.partitions)]
        self.line: tuple[int, Line] | None = None

    def r_ready(self) -> bool:
        if not self.flights:
            return False
        step = self.flights[0].steps[0]
        return step.take and (step.give is None or self._room(self.flights[0]))

    def _room(self, flight: _Flight) -> bool:
        p = flight.burst.partition
        return self.failed or self.lanes[p].room(int(self.line is not None and self.line[0] == p))

    def finish(self) -> bool:
        return bool(self.held) and self.held[0].complete and self.held[0].lines == 0

    def error(self) -> bool:
        quiet = self.address is None and not self.flights and self.line is None
        return self.failed and quiet and not any(lane.lines for lane in self.lanes) and not self._completed()

    def _completed(self) -> bool:
        return any(d.complete for d in self.held)

    def tick(self, now: int, inputs: dict[str, Any], access: list[PortB | None], sbuf_data: list[bytes]) -> None:
        error, finish, ready = self.error(), self.finish(), self.ready()
        taken = self._take_burst(inputs)
        line = self._step(inputs)
        for p, lane in enumerate(self.lanes):
            coming = self.line[1] if self.line is not None and self.line[0] == p else None
            lane.tick(now, access[p], sbuf_data[p], coming)
        self.line = line
        if taken is not None:
            owner, burst = taken
            beat, word = self.config.bus.data_bytes, self.config.sbuf.word_bytes
            plan = steps(burst.address % beat, burst.offset % word, burst.length, beat)
            self.flights.append(_Flight(owner, burst, deque(plan)))
            self._begin(burst)
        self.walker.tick(taken is not None)
        if finish:
            self.held.popleft()
        if inputs["load"] is not None and ready:
            self.accept(inputs["load"], (self.walker,))
        if error:
            self.failed = False
            self.held.clear()
            self.walker = _Walker()

    def _take_burst(self, inputs: dict[str, Any]) -> tuple[Descriptor, Burst] | None:
        room = len(self.flights) < self.config.dma.outstanding_reads
        free = self.address is None or bool(inputs["bus__ar__ready"])
        if free:
            self.address = None
        return self.walker.left[0] if self.walker.left and room and free and not self.failed else None

    def _step(self, inputs: dict[str, Any]) -> tuple[int, Line] | None:
        """The step of this cycle, if there is one; what goes to the lanes in the next."""
        if not self.flights:
            return None
        flight = self.flights[0]
        step = flight.steps[0]
        if step.take and not (inputs["bus__r__valid"] and self.r_ready()):
            return None
        if step.give is not None and not self._room(flight):
            return None
        if step.take:
            flight.units += inputs["bus__r__data"].to_bytes(self.config.bus.data_bytes, "little")
            self.failed = self.failed or bool(inputs["bus__r__resp"] & _FAILED)
        flight.steps.popleft()
        if not flight.steps:
            self.flights.popleft()
            if flight.burst.last and not self.failed:
                flight.owner.complete = True
        return None if self.failed or step.give is None else self._line(flight, step.give)

    def _line(self, flight: _Flight, number: int) -> tuple[int, Line]:
        beat, word = self.config.bus.data_bytes, self.config.sbuf.word_bytes
        burst = flight.burst
        source, target = burst.address % beat, burst.offset % word
        low = target if number == 0 else 0
        high = min(beat, target + burst.length - number * beat)
        first = number * beat + low - target + source  # place of the line's first byte among the beats
        data = bytes(low) + flight.units[first : first + high - low]
        flight.owner.lines += 1
        address = burst.offset // word + number * (beat // word)
        return burst.partition, Line(flight.owner, address, low, high, data)


class _Store(_Channel):
    def __init__(self, config: CoreConfig) -> None:
        super().__init__(config)
        self.walker, self.ahead = _Walker(), _Walker()
        self.lanes = [StoreLaneModel(config) for _ in range(config.partitions)]
        self.open: deque[bool] = deque()
        """Bursts without B: "last of its descriptor"."""
        self.beat: dict[str, int] | None = None
        self.finished = False

    def error(self) -> bool:
        return self.failed and self.address is None and not self.open

    def _request(self) -> tuple[int, Request] | None:
        if not self.ahead.left:
            return None
        burst = self.ahead.left[0][1]
        if not self.lanes[burst.partition].room:
            return None
        word = self.config.sbuf.word_bytes
        words = unit_count(burst.offset % word, burst.length, word)
        return burst.partition, Request(burst.offset // word, words)

    def tick(self, now: int, inputs: dict[str, Any], access: list[PortB | None], sbuf_data: list[bytes]) -> None:
        error, ready, finish = self.error(), self.ready(), self.finished
        request = self._request()
        taken = self._take_burst(inputs)
        popped = self._step(now, inputs)
        self._response(inputs)
        for p, lane in enumerate(self.lanes):
            coming = request[1] if request is not None and request[0] == p else None
            lane.tick(now, access[p], sbuf_data[p], coming, popped == p)
        if taken is not None:
            owner, burst = taken
            beat, word = self.config.bus.data_bytes, self.config.sbuf.word_bytes
            plan = steps(burst.offset % word, burst.address % beat, burst.length, beat)
            self.flights.append(_Flight(owner, burst, deque(plan)))
            self.open.append(burst.last)
            self._begin(burst)
        self.walker.tick(taken is not None)
        self.ahead.tick(request is not None)
        if finish:
            self.held.popleft()
        if inputs["store"] is not None and ready:
            self.accept(inputs["store"], (self.walker, self.ahead))
        if error:
            self.failed = False
            self.held.clear()
            self.walker, self.ahead = _Walker(), _Walker()
            self.lanes = [StoreLaneModel(self.config) for _ in self.lanes]

    def _take_burst(self, inputs: dict[str, Any]) -> tuple[Descriptor, Burst] | None:
        room = len(self.open) < self.config.dma.outstanding_writes
        free = self.address is None or bool(inputs["bus__aw__ready"])
        if free:
            self.address = None
        return self.walker.left[0] if self.walker.left and room and free and not self.failed else None

    def _step(self, now: int, inputs: dict[str, Any]) -> int | None:
        """The step of this cycle, if there is one; returns the partition whose line it used up."""
        free = self.beat is None or bool(inputs["bus__w__ready"])
        if free:
            self.beat = None
        if not self.flights:
            return None
        flight = self.flights[0]
        step = flight.steps[0]
        lane = self.lanes[flight.burst.partition]
        unit = lane.shown(now)
        if (step.take and unit is None) or (step.give is not None and not free):
            return None
        if step.take and unit is not None:
            flight.units += unit
        flight.steps.popleft()
        if not flight.steps:
            self.flights.popleft()
        if step.give is not None:
            self.beat = self._beat(flight, step.give)
        return flight.burst.partition if step.take else None

    def _beat(self, flight: _Flight, number: int) -> dict[str, int]:
        beat, word = self.config.bus.data_bytes, self.config.sbuf.word_bytes
        burst = flight.burst
        source, target = burst.offset % word, burst.address % beat
        low = target if number == 0 else 0
        high = min(beat, target + burst.length - number * beat)
        first = number * beat + low - target + source
        data = bytes(low) + flight.units[first : first + high - low]
        strobe = sum(1 << b for b in range(low, high))
        return {"data": int.from_bytes(data, "little"), "strb": strobe, "last": int(not flight.steps)}

    def _response(self, inputs: dict[str, Any]) -> None:
        self.finished = False
        if inputs["bus__b__valid"] and self.open:
            last = self.open.popleft()
            self.failed = self.failed or bool(inputs["bus__b__resp"] & _FAILED)
            self.finished = last and not self.failed


class DmaModel:
    """sbuf[p] = memory and back, cycle by cycle; every output follows from state and phase alone.

    Inputs: `load`, `store` (an `Instruction`, or None while not valid), `bus__ar__ready`, `bus__r__{valid, data,
    resp}`, `bus__aw__ready`, `bus__w__ready`, `bus__b__{valid, resp}`, `phase` [P], `sbuf_data` uint8 [P, W].
    Outputs: `load_ready`, `store_ready`, `finish_*`, `error_*`, `active_*`, `bus__*` as the RTL's ports (payload 0
    while not valid; bytes of W without strobe are 0) and `sbuf`: arrays enable, write, address, granules [P],
    data uint8 [P, W] as `SbufModel` takes them.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.cycle = 0
        self.load, self.store = _Load(config), _Store(config)

    def _accesses(self, inputs: dict[str, Any]) -> tuple[list[PortB | None], list[PortB | None]]:
        phases = [int(phase) for phase in inputs["phase"]]
        loads = [
            lane.access(self.cycle) if phase == _LOAD_PHASE else None
            for lane, phase in zip(self.load.lanes, phases, strict=True)
        ]
        stores = [
            lane.access() if phase == _STORE_PHASE else None
            for lane, phase in zip(self.store.lanes, phases, strict=True)
        ]
        return loads, stores

    def _sbuf(self, inputs: dict[str, Any]) -> dict[str, Any]:
        count, width = self.config.partitions, self.config.sbuf.word_bytes
        out = {name: np.zeros(count, np.int64) for name in ("enable", "write", "address", "granules")}
        data = np.zeros((count, width), np.uint8)
        loads, stores = self._accesses(inputs)
        for p, access in enumerate(a or b for a, b in zip(loads, stores, strict=True)):
            if access is not None:
                out["enable"][p], out["write"][p] = 1, access.write
                out["address"][p], out["granules"][p] = access.address, access.granules
                if access.write:
                    data[p] = np.frombuffer(access.data, np.uint8)
        return {**out, "data": data}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        load, store = self.load, self.store
        beat = store.beat or {"data": 0, "strb": 0, "last": 0}
        out: dict[str, Any] = {
            "load_ready": int(load.ready()),
            "store_ready": int(store.ready()),
            "finish_load": int(load.finish()),
            "finish_store": int(store.finished),
            "error_load": int(load.error()),
            "error_store": int(store.error()),
            "active_load": int(bool(load.held)),
            "active_store": int(bool(store.held)),
            "bus__r__ready": int(load.r_ready()),
            "bus__b__ready": 1,
            "bus__w__valid": int(store.beat is not None),
            **{f"bus__w__{name}": value for name, value in beat.items()},
            "sbuf": self._sbuf(inputs),
        }
        for name, channel in (("ar", load), ("aw", store)):
            out[f"bus__{name}__valid"] = int(channel.address is not None)
            for key, value in (channel.address or {"addr": 0, "len": 0}).items():
                out[f"bus__{name}__{key}"] = value
        return out

    def tick(self, inputs: dict[str, Any]) -> None:
        loads, stores = self._accesses(inputs)
        sbuf_data = [row.tobytes() for row in np.asarray(inputs["sbuf_data"], np.uint8)]
        self.load.tick(self.cycle, inputs, loads, sbuf_data)
        self.store.tick(self.cycle, inputs, stores, sbuf_data)
        self.cycle += 1
