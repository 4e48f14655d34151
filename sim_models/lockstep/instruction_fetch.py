"""The instruction port of the sequencer, cycle by cycle."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from makalu.spec.axi import BURST_INCR
from makalu.spec.config import CoreConfig
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES, Opcode

__all__ = ["FetchModel"]


@dataclass
class _Stream:
    address: int = 0
    held: int = 0
    """Instructions requested or buffered."""
    ended: bool = False


@dataclass
class FetchModel:
    """Lockstep model of `hw/sequencer/fetch.py` and of the buffers behind it.

    `buffers[q]` holds (word, failed) of whole instructions as they are visible in this cycle.
    """

    config: CoreConfig
    buffers: list[deque[tuple[int, bool]]] = field(default_factory=lambda: [deque() for _ in QUEUES])

    def __post_init__(self) -> None:
        self._streams = [_Stream() for _ in QUEUES]
        self._open: deque[int] = deque()
        self._address: int | None = None
        self._last = len(QUEUES) - 1
        self._beats: list[int] = []
        self._failed = False

    @property
    def quiet(self) -> bool:
        return not self._open

    def comb(self) -> dict[str, int | None]:
        bus, sending = self.config.bus, self._address is not None
        return {
            "instructions__ar__valid": sending,
            "instructions__ar__addr": self._address,
            "instructions__ar__len": INSTRUCTION_BYTES // bus.instruction_bytes - 1,
            "instructions__ar__size": bus.instruction_bytes.bit_length() - 1,
            "instructions__ar__burst": BURST_INCR,
            "instructions__ar__id": 0,
            "instructions__r__ready": 1,
        }

    def start(self, addresses: list[int]) -> None:
        """Instead of a tick: every stream begins at its address."""
        self._streams = [_Stream(address=a) for a in addresses]
        self._last = len(QUEUES) - 1
        for buffer in self.buffers:
            buffer.clear()

    def tick(self, inputs: Mapping[str, int], *, running: list[bool], taken: list[bool]) -> None:
        depth = self.config.sequencer.buffer_instructions
        wants = [running[q] and not s.ended and s.held < depth for q, s in enumerate(self._streams)]
        free = self._address is None or bool(inputs["instructions__ar__ready"])
        if free:
            self._address = None
        if inputs["instructions__r__valid"]:
            self._beat(inputs)
        for q, gone in enumerate(taken):
            if gone:
                self._streams[q].held -= 1
        if free and any(wants):
            count = len(QUEUES)
            q = next((self._last + n) % count for n in range(1, count + 1) if wants[(self._last + n) % count])
            stream = self._streams[q]
            self._address, self._last = stream.address, q
            stream.address = (stream.address + INSTRUCTION_BYTES) % (1 << self.config.bus.address_bits)
            stream.held += 1
            self._open.append(q)

    def _beat(self, inputs: Mapping[str, int]) -> None:
        self._beats.append(inputs["instructions__r__data"])
        self._failed |= inputs["instructions__r__resp"] >= 2
        width = self.config.bus.instruction_bytes
        if len(self._beats) * width < INSTRUCTION_BYTES:
            return
        word = sum(beat << (8 * width * n) for n, beat in enumerate(self._beats))
        q = self._open.popleft()
        stream = self._streams[q]
        if not stream.ended:
            self.buffers[q].append((word, self._failed))
            stream.ended = self._failed or word & 0xFF == Opcode.HALT
        self._beats, self._failed = [], False
