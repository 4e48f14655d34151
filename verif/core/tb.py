"""The whole core beside its model: every port outside, every architectural port inside, in every cycle."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.hw.core import Core
from makalu.sim_models.lockstep.core import CoreModel
from makalu.sim_models.lockstep.host import IDLE_CONTROL, ScriptHost
from makalu.sim_models.lockstep.memory import FixedMemory
from makalu.spec.config import CoreConfig
from makalu.spec.isa import Queue
from makalu.spec.memory import MemoryTiming
from makalu.spec.registers import REGISTERS, START, Status
from verif.core.observation import Comparison, row_bytes
from verif.core.stalling_memory import StallingMemory
from verif.lib.axi_rules import AxiRules
from verif.lib.sampling import sample, with_unknown
from verif.lib.side_by_side import SideBySide

__all__ = ["CoreBench"]


class _Model(CoreModel):
    """What `observe` shows is compared in blocks of cycles."""

    def comb(self, inputs: Mapping[str, int]) -> dict[str, Any]:
        return super().comb(inputs) | {"observe": None}

    def tick(self, inputs: Mapping[str, int], out: dict[str, Any] | None = None) -> None:
        super().tick(inputs)


class CoreBench(SideBySide):
    """One program on `dut` and model behind a memory that stalls at random; `run` until the interrupt.

    A reset leaves SBUF as it is, so the model of a later program starts from what an earlier one left: the bytes that
    a merge takes over are part of what is compared.
    """

    _left: tuple[NDArray[np.uint8], NDArray[np.bool_]] | None = None

    def __init__(
        self, dut: Any, config: CoreConfig, image: NDArray[np.uint8], rng: Random, *, latency: int, open_chance: float
    ) -> None:
        super().__init__(dut, Core(config=config, observe="all"), _Model(config), name="core")
        fixed = FixedMemory(
            memory=image.copy(),
            timing=MemoryTiming.of(config.memory, latency=latency),
            data_bytes=config.bus.data_bytes,
            instruction_bytes=config.bus.instruction_bytes,
        )
        self.memory = StallingMemory(fixed, rng, open_chance=open_chance)
        if CoreBench._left is not None:
            self.model.sbuf.memory[:], self.model.sbuf.defined[:] = CoreBench._left
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

    def idle(self) -> dict[str, Any]:
        return super().idle() | IDLE_CONTROL

    async def run(self, programs: Mapping[Queue, int], *, limit: int) -> dict[str, int]:
        """Start, wait for the interrupt, read all registers; returns their values by name."""
        script = []
        for queue, address in programs.items():
            script.append(("write", REGISTERS[f"{queue.name.lower()}_address_low"].address, address))
        script.append(("write", REGISTERS["enable"].address, sum(1 << queue for queue in programs)))
        script += [("write", REGISTERS["control"].address, START), ("wait", limit, 0)]
        script += [("read", register.address, 0) for register in REGISTERS.values()]
        host = ScriptHost(script)
        await self.start()
        while not host.done:
            ports = self.model.masters()
            out = await self.step(self.idle() | host.inputs() | self.memory.comb(ports))
            self.memory.tick(ports)
            host.tick(out)
        for comparison in self._comparisons:
            comparison.flush()
        CoreBench._left = self.model.sbuf.memory, self.model.sbuf.defined
        names = {register.address: name for name, register in REGISTERS.items()}
        values = {names[address]: value for address, value in host.values.items()}
        assert values["interrupt"] == Status.DONE, f"the run ended with {values}"
        assert all(rules.bursts for rules in self.rules), "a port of the core asked for nothing"
        return values

    def check(self, out: Mapping[str, Any]) -> None:
        for rules in self.rules:
            rules.check(self.cycle, sample(self.dut, rules.signals))
        super().check(out)
        zeros, unknown = with_unknown(self.outputs["observe"])
        for comparison, row in zip(self._comparisons, (zeros, zeros | unknown), strict=True):
            comparison.add(row.to_bytes(self._row_bytes, "little"), dict(out))
