"""Lockstep model of the DMA's load channel."""

from collections import deque
from typing import Any

from makalu.spec.config import CoreConfig

from .dma_bursts import Burst, steps
from .dma_channel import FAILED, Channel, Flight, Walker
from .dma_lane import Descriptor, Line, LoadLaneModel, PortB

__all__ = ["LoadChannel"]


class LoadChannel(Channel):
    """AR, R, lines on their way to the lanes, and the lanes."""

    def __init__(self, config: CoreConfig) -> None:
        super().__init__(config)
        self.walker = Walker()
        self.lanes = [LoadLaneModel(config) for _ in range(config.partitions)]
        self.line: tuple[int, Line] | None = None

    def r_ready(self) -> bool:
        if not self.flights:
            return False
        step = self.flights[0].steps[0]
        return step.take and (step.give is None or self._room(self.flights[0]))

    def _room(self, flight: Flight) -> bool:
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
            self.flights.append(Flight(owner, burst, deque(plan)))
            self.begin(burst)
        self.walker.tick(taken is not None)
        if finish:
            self.held.popleft()
        if inputs["load"] is not None and ready:
            self.accept(inputs["load"], (self.walker,))
        if error:
            self.failed = False
            self.held.clear()
            self.walker = Walker()

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
            self.failed = self.failed or bool(inputs["bus__r__resp"] & FAILED)
        flight.steps.popleft()
        if not flight.steps:
            self.flights.popleft()
            if flight.burst.last and not self.failed:
                flight.owner.complete = True
        return None if self.failed or step.give is None else self._line(flight, step.give)

    def _line(self, flight: Flight, number: int) -> tuple[int, Line]:
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
