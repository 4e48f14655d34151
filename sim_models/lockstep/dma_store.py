"""Lockstep model of the DMA's store channel."""

from collections import deque
from typing import Any

from makalu.spec.config import CoreConfig

from .dma_bursts import Burst, steps, unit_count
from .dma_channel import FAILED, Channel, Flight, Walker
from .dma_lane import Descriptor, PortB, Request, StoreLaneModel

__all__ = ["StoreChannel"]


class StoreChannel(Channel):
    """AW, W, B, and the lanes with what they read ahead."""

    def __init__(self, config: CoreConfig) -> None:
        super().__init__(config)
        self.walker, self.ahead = Walker(), Walker()
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
            self.flights.append(Flight(owner, burst, deque(plan)))
            self.open.append(burst.last)
            self.begin(burst)
        self.walker.tick(taken is not None)
        self.ahead.tick(request is not None)
        if finish:
            self.held.popleft()
        if inputs["store"] is not None and ready:
            self.accept(inputs["store"], (self.walker, self.ahead))
        if error:
            self.failed = False
            self.held.clear()
            self.walker, self.ahead = Walker(), Walker()
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

    def _beat(self, flight: Flight, number: int) -> dict[str, int]:
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
            self.failed = self.failed or bool(inputs["bus__b__resp"] & FAILED)
            self.finished = last and not self.failed
