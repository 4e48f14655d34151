"""An AXI4 slave with random stalls on every channel, errors where asked for, and AXI's rules checked."""

from collections import deque
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from verif.dma.sparse_memory import SparseMemory
from verif.lib.axi_rules import AxiRules

__all__ = ["IDLE_BUS", "MemorySlave"]

IDLE_BUS = {
    "data__ar__ready": 0,
    "data__r__valid": 0,
    "data__r__data": 0,
    "data__r__resp": 0,
    "data__r__last": 0,
    "data__r__id": 0,
    "data__aw__ready": 0,
    "data__w__ready": 0,
    "data__b__valid": 0,
    "data__b__resp": 0,
    "data__b__id": 0,
}


class MemorySlave:
    """Inputs and outputs of a cycle by port name. `busy` is the chance that a channel moves; a valid stays.

    `bad` holds the numbers of beats (address // data_bytes) that answer with an error. `latency`: cycles from AR to
    the first R and from the last W to B.
    """

    def __init__(
        self,
        config: CoreConfig,
        memory: NDArray[np.uint8] | SparseMemory,
        rng: Random,
        *,
        busy: float,
        latency: int = 3,
    ) -> None:
        self.config, self.memory, self.rng, self.busy, self.latency = config, memory, rng, busy, latency
        self.beat = config.bus.data_bytes
        self.bad: dict[int, Response] = {}
        self.cycle = 0
        self.forget()

    def forget(self) -> None:
        """All that is open, as at a reset; the memory keeps what was written."""
        self.reads: deque[tuple[int, int]] = deque()
        """(due, beat) of each R to come, and whether it is a burst's last, in `lasts`."""
        self.lasts: deque[int] = deque()
        self.addresses: deque[tuple[int, int]] = deque()
        self.data: deque[dict[str, int]] = deque()
        self.responses: deque[tuple[int, int]] = deque()
        self.outputs = dict(IDLE_BUS)
        self.rules = AxiRules("data", data_bytes=self.beat)

    def drive(self) -> dict[str, int]:
        """What the core sees in the coming cycle."""
        out = dict(IDLE_BUS)
        for name in ("ar", "aw", "w"):
            out[f"data__{name}__ready"] = int(self.rng.random() < self.busy)
        held = self.outputs
        if held["data__r__valid"]:
            out.update({name: value for name, value in held.items() if name.startswith("data__r__")})
        elif self.reads and self.reads[0][0] <= self.cycle and self.rng.random() < self.busy:
            place = self.reads[0][1]
            row = self.memory[place * self.beat : (place + 1) * self.beat]
            out["data__r__valid"], out["data__r__last"] = 1, self.lasts[0]
            out["data__r__data"] = int.from_bytes(row.tobytes(), "little")
            out["data__r__resp"] = int(self.bad.get(place, Response.OKAY))
        if held["data__b__valid"]:
            out.update({name: value for name, value in held.items() if name.startswith("data__b__")})
        elif self.responses and self.responses[0][0] <= self.cycle and self.rng.random() < self.busy:
            out["data__b__valid"], out["data__b__resp"] = 1, self.responses[0][1]
        self.outputs = out
        return out

    def tick(self, seen: dict[str, Any]) -> None:
        """The edge: `seen` are the core's outputs of the cycle that `drive` made the inputs of."""
        self.rules.check(self.cycle, {**seen, **self.outputs})
        moved = {n: seen[f"data__{n}__valid"] and self.outputs[f"data__{n}__ready"] for n in ("ar", "aw", "w")}
        moved |= {n: self.outputs[f"data__{n}__valid"] and seen[f"data__{n}__ready"] for n in ("r", "b")}
        if moved["r"]:
            self.reads.popleft()
            self.lasts.popleft()
            self.outputs["data__r__valid"] = 0
        if moved["b"]:
            self.responses.popleft()
            self.outputs["data__b__valid"] = 0
        due = self.cycle + 1 + self.latency
        if moved["ar"]:
            first, last = seen["data__ar__addr"] // self.beat, seen["data__ar__len"]
            self.reads.extend((due, first + k) for k in range(last + 1))
            self.lasts.extend(int(k == last) for k in range(last + 1))
        if moved["aw"]:
            self.addresses.append((seen["data__aw__addr"] // self.beat, seen["data__aw__len"]))
        if moved["w"]:
            self.data.append({name: seen[f"data__w__{name}"] for name in ("data", "strb", "last")})
        self._write(due)
        self.cycle += 1

    def _write(self, due: int) -> None:
        """Bursts of which address and all data are here."""
        while self.addresses and len(self.data) > self.addresses[0][1]:
            first, length = self.addresses.popleft()
            worst = Response.OKAY
            for k in range(length + 1):
                beat = self.data.popleft()
                worst = max(worst, self.bad.get(first + k, Response.OKAY))
                place = (first + k) * self.beat
                for b in range(self.beat):
                    if beat["strb"] >> b & 1:
                        self.memory[place + b] = beat["data"] >> (8 * b) & 0xFF
            self.responses.append((due, int(worst)))

    @property
    def quiet(self) -> bool:
        return not (self.reads or self.addresses or self.data or self.responses)
