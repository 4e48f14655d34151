"""What both directions of the DMA share: descriptors, their walk, the bursts that are open."""

from collections import deque
from dataclasses import dataclass

from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction

from .dma_bursts import Burst, Step, bursts, unit_count
from .dma_lane import Descriptor

__all__ = ["FAILED", "Channel", "Flight", "Walker"]

FAILED = Response.SLVERR  # and DECERR: the bit that both have


class Walker:
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
class Flight:
    """A burst between its address and the last step of its data."""

    owner: Descriptor
    burst: Burst
    steps: deque[Step]
    units: bytes = b""
    """What came so far."""


class Channel:
    """What both directions share: the descriptors that are accepted and not finished."""

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.held: deque[Descriptor] = deque()
        self.flights: deque[Flight] = deque()
        self.address: dict[str, int] | None = None
        """Burst on AR or AW."""
        self.failed = False

    def ready(self) -> bool:
        return len(self.held) < self.config.dma.queue and not self.failed

    def accept(self, command: Instruction, walkers: tuple[Walker, ...]) -> None:
        descriptor = Descriptor()
        self.held.append(descriptor)
        for walker in walkers:
            walker.waiting.append((descriptor, bursts(self.config, command)))

    def begin(self, burst: Burst) -> None:
        beat = self.config.bus.data_bytes
        place = burst.address % beat
        self.address = {"addr": burst.address - place, "len": unit_count(place, burst.length, beat) - 1}
