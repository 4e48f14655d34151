"""The host's side of the control port: registers written and read, programs started, ends and errors looked at."""

import random
from typing import Any

from makalu.spec.axi import Response
from makalu.spec.config import CoreConfig
from makalu.spec.isa import Queue
from makalu.spec.registers import FULL_STROBE, REGISTER_BITS, REGISTER_MASK, REGISTERS, START, Status, registers_of

__all__ = ["Host"]


class Host:
    """Access in cycles of `step`, each transfer moving on with probability `chance`."""

    config: CoreConfig
    rng: random.Random
    chance: float
    model: Any
    step: Any
    drained: Any
    _inputs: dict[str, int]
    _outputs: dict[str, Any]

    async def write(self, name: str, value: int, *, strobe: int = FULL_STROBE, address: int | None = None) -> Response:
        where = registers_of(self.config)[name].address if address is None else address
        lead = self.rng.randrange(-2, 3)  # the address before the data, or after
        sent = False
        count = 0
        while True:
            aw, w = not sent and count >= max(0, lead), not sent and count >= max(0, -lead)
            ready = self.rng.random() < self.chance
            out = await self.step(
                control__aw__valid=aw,
                control__aw__addr=where,
                control__w__valid=w,
                control__w__data=value,
                control__w__strb=strobe,
                control__b__ready=ready,
            )
            count += 1
            sent = sent or bool(aw and out["control__aw__ready"])
            if ready and out["control__b__valid"]:
                self._inputs["control__b__ready"] = 0
                return Response(out["control__b__resp"])

    async def read(self, name: str, *, address: int | None = None) -> tuple[int, Response]:
        where = registers_of(self.config)[name].address if address is None else address
        sent = False
        while True:
            ready = self.rng.random() < self.chance
            out = await self.step(control__ar__valid=not sent, control__ar__addr=where, control__r__ready=ready)
            sent = sent or bool(out["control__ar__ready"])
            if sent and ready and out["control__r__valid"]:
                self._inputs |= {"control__ar__valid": 0, "control__r__ready": 0}
                return out["control__r__data"], Response(out["control__r__resp"])

    async def value(self, name: str) -> int:
        value, response = await self.read(name)
        assert response is Response.OKAY, f"{name} answers {response.name}"
        return value

    async def start(self, starts: dict[Queue, int], *, watchdog: int = 0) -> None:
        for queue, address in starts.items():
            name = queue.name.lower()
            await self.write(f"{name}_address_low", address & REGISTER_MASK)
            await self.write(f"{name}_address_high", address >> REGISTER_BITS)
        await self.write("watchdog", watchdog)
        await self.write("enable", sum(1 << q for q in starts))
        await self.write("control", START)

    async def finish(self, limit: int = 20_000) -> int:
        """Runs until the core does not run and is drained; returns the bits of `status`."""
        for _ in range(limit):
            await self.step(control__ar__valid=0)
            if not self.model.starting and not self.model.any_running() and self.drained():
                return await self.value("status")
        raise AssertionError(f"the core still runs after {limit} cycles: {await self.value('status'):#x}")

    async def counters_add_up(self) -> None:
        """busy + stalls + idle = cycles, in each queue."""
        cycles = await self.value("cycles")
        for queue in Queue:
            names = [r for r in REGISTERS if r.startswith(f"{queue.name.lower()}_") and _is_counter(r)]
            total = sum([await self.value(name) for name in names])
            assert total == cycles, f"{queue.name}: counters {total}, cycles {cycles}"

    async def error_of(self, queue: Queue) -> tuple[int, int, int]:
        name = queue.name.lower()
        low, high = await self.value(f"{name}_error_low"), await self.value(f"{name}_error_high")
        address = low | high << REGISTER_BITS
        return await self.value(f"{name}_error"), address, await self.value(f"{name}_tag")

    async def expect_interrupt(self, bits: int) -> None:
        assert await self.value("interrupt") == bits
        assert self._outputs["irq"] == 1
        await self.write("interrupt", Status.DONE | Status.ERROR)
        assert await self.value("interrupt") == 0
        assert self._outputs["irq"] == 0


def _is_counter(name: str) -> bool:
    return name.endswith(("_busy", "_stall_port", "_stall_semaphore", "_stall_fetch", "_idle"))
