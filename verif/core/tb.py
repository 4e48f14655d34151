"""RTL and model of the whole core side by side: every port outside, every architectural port inside, in every cycle."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge
from numpy.typing import NDArray

from makalu.sim_models.lockstep.core import CoreModel
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.config import CoreConfig
from makalu.spec.isa import Queue
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import REGISTERS, START, Status
from verif.core.host import IDLE_CONTROL, ScriptHost
from verif.core.observation import Comparison, row_bytes
from verif.core.stalling_memory import StallingMemory
from verif.lib.axi_rules import AxiRules
from verif.lib.compare import compare
from verif.lib.sampling import drive, reset, sample, start_clock, with_unknown

__all__ = ["CoreBench"]

_CHANNELS = {
    "data__ar": ("addr", "len", "size", "burst", "id"),
    "data__aw": ("addr", "len", "size", "burst", "id"),
    "data__w": ("data", "strb", "last"),
    "instructions__ar": ("addr", "len", "size", "burst", "id"),
    "control__b": ("resp",),
    "control__r": ("data", "resp"),
}
_SINGLE = (
    "data__r__ready",
    "data__b__ready",
    "instructions__r__ready",
    "control__aw__ready",
    "control__w__ready",
    "control__ar__ready",
    "irq",
)


class CoreBench:
    """One program on `dut` and model behind a memory that stalls at random; `run` until the interrupt.

    A reset leaves SBUF as it is, so the model of a later program starts from what an earlier one left: the bytes that
    a merge takes over are part of what is compared.
    """

    _left: tuple[NDArray[np.uint8], NDArray[np.bool_]] | None = None

    def __init__(
        self, dut: Any, config: CoreConfig, image: NDArray[np.uint8], rng: Random, *, latency: int, open_chance: float
    ) -> None:
        self.dut, self.config = dut, config
        fixed = FixedMemory(
            memory=image.copy(),
            timing=MemoryTiming.of(config.memory, latency=latency),
            data_bytes=config.bus.data_bytes,
            instruction_bytes=config.bus.instruction_bytes,
        )
        self.memory = StallingMemory(fixed, rng, open_chance=open_chance)
        self.core = CoreModel(config)
        if CoreBench._left is not None:
            self.core.sbuf.memory[:], self.core.sbuf.defined[:] = CoreBench._left
        # X or Z counts as both: what is compared must be the same either way
        self._comparisons = [Comparison(config), Comparison(config)]
        self._row_bytes = row_bytes(config)
        self.rules = (
            AxiRules("data", data_bytes=config.bus.data_bytes),
            AxiRules("instructions", data_bytes=config.bus.instruction_bytes, channels=("ar",)),
        )

    @property
    def image(self) -> NDArray[np.uint8]:
        return self.memory.memory.memory

    async def run(self, programs: Mapping[Queue, int], *, limit: int) -> dict[str, int]:
        """Start, wait for the interrupt, read all registers; returns their values by name."""
        script = []
        for queue, address in programs.items():
            script.append(("write", REGISTERS[f"{queue.name.lower()}_address_low"].address, address))
        script.append(("write", REGISTERS["enable"].address, sum(1 << queue for queue in programs)))
        script += [("write", REGISTERS["control"].address, START), ("wait", limit, 0)]
        script += [("read", register.address, 0) for register in REGISTERS.values()]
        host = ScriptHost(script)
        start_clock(self.dut)
        idle = {**IDLE_CONTROL, **dict.fromkeys(self.memory.comb(self.core.masters()), 0)}
        await reset(self.dut, idle)
        await RisingEdge(self.dut.clk)
        self.core.tick(idle)  # the cycle in which reset was released
        while not host.done:
            out = await self._step(host)
            host.tick(out)
        for comparison in self._comparisons:
            comparison.flush()
        CoreBench._left = self.core.sbuf.memory, self.core.sbuf.defined
        names = {register.address: name for name, register in REGISTERS.items()}
        values = {names[address]: value for address, value in host.values.items()}
        assert values["interrupt"] == Status.DONE, f"the run ended with {values}"
        assert all(rules.bursts for rules in self.rules), "a port of the core asked for nothing"
        return values

    async def _step(self, host: ScriptHost) -> dict[str, Any]:
        ports = self.core.masters()
        inputs = {**host.inputs(), **self.memory.comb(ports)}
        drive(self.dut, inputs)
        await RisingEdge(self.dut.clk)
        for rules in self.rules:
            rules.check(self.core.cycle, sample(self.dut, rules.signals))
        out = self.core.comb(inputs)
        self._compare_outside(out)
        for comparison, row in zip(self._comparisons, self._rows(), strict=True):
            comparison.add(row, out)
        self.core.tick(inputs)
        self.memory.tick(ports)
        return out

    def _rows(self) -> list[bytes]:
        zeros, unknown = with_unknown(self.dut.observe)
        return [row.to_bytes(self._row_bytes, "little") for row in (zeros, zeros | unknown)]

    def _compare_outside(self, out: dict[str, Any]) -> None:
        expected = {name: int(out[name]) for name in _SINGLE}
        for channel, payload in _CHANNELS.items():
            expected[f"{channel}__valid"] = int(out[f"{channel}__valid"])
            if out[f"{channel}__valid"]:
                expected |= {f"{channel}__{name}": int(out[f"{channel}__{name}"]) for name in payload}
        rtl = sample(self.dut, expected)
        if "data__w__data" in rtl:  # bytes without strobe carry nothing
            strobe = expected["data__w__strb"]
            mask = sum(0xFF << (8 * b) for b in range(self.config.bus.data_bytes) if strobe >> b & 1)
            value, unknown = with_unknown(self.dut["data__w__data"])
            rtl["data__w__data"] = None if unknown & mask else value & mask
            expected["data__w__data"] &= mask
        compare(self.core.cycle, rtl, expected, "core")
