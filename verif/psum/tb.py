"""RTL and model of the PSUM slices side by side; every port is compared in every cycle."""

from collections import Counter
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from makalu.hw.psum.layouts import psum_commands
from makalu.hw.psum.layouts import wave as wave_layout
from makalu.sim_models.lockstep.psum import PsumModel
from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES
from verif.lib.compare import compare
from verif.lib.pack import pack
from verif.lib.sampling import drive, reset, sample, start_clock
from verif.psum.assembly import PsumAssembly

__all__ = ["PsumBench"]

DEFINED = ("wave_out",)
"""Outputs that are defined from reset on."""
OUTPUTS = (*DEFINED, "commit", "read_data")


class PsumBench:
    """Drives the inputs of `traffic`, compares, and counts what happened in `seen`."""

    def __init__(self, dut: Any, config: CoreConfig) -> None:
        self.dut, self.config = dut, config
        self.model = PsumModel(config)
        self.layout = {name: member.shape for name, member in PsumAssembly(config=config).signature.members.items()}
        self.seen: Counter[str] = Counter()
        self._added: list[Any] = []

    def _packed_inputs(self, inputs: dict[str, Any]) -> dict[str, int]:
        return {
            "column": pack(self.layout["column"], inputs["column"]),
            "wave_in": pack(wave_layout(self.config.psum), inputs["wave"]),
            "access": pack(psum_commands(self.config.psum), inputs["access"]),
        }

    def _model_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        wave = {name: np.concatenate([[inputs["wave"][name]], later[:-1]]) for name, later in self.model.wave.items()}
        return {"column": inputs["number"], "wave_in": wave, "access": inputs["access"]}

    def _expected(self, out: dict[str, Any]) -> dict[str, int]:
        rows = range(self.config.partitions)
        return {
            "wave_out": pack(self.layout["wave_out"], [{k: v[p] for k, v in out["wave_out"].items()} for p in rows]),
            "commit": pack(self.layout["commit"], [{k: v[p] for k, v in out["commit"].items()} for p in rows]),
            "read_data": pack(self.layout["read_data"], [out["read_data"][:, p] for p in rows]),
        }

    def _count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        wave = inputs["wave_in"]
        part = wave["valid"].astype(bool) & (np.arange(len(wave["valid"])) < wave["columns"])
        self.seen["overwrite"] += int((part & (wave["accumulate"] == 0)).sum())
        self.seen["accumulate"] += int((part & (wave["accumulate"] != 0)).sum())
        self.seen["outside columns"] += int((wave["valid"].astype(bool) & ~part).sum())
        self.seen["commit"] += int(out["commit"]["valid"].sum())
        for e in range(ENGINES):
            self.seen[f"read {e}"] += inputs["access"][e]["enable"]
        self.seen["read beside wave"] += bool(part.any() and any(a["enable"] for a in inputs["access"]))
        wave = self.model.wave  # of this cycle's columns
        adds = (wave["valid"] & wave["accumulate"] & (np.arange(len(wave["columns"])) < wave["columns"])).astype(bool)
        self._added.append((inputs["column"][adds], self.model.old[adds]))

    def sums(self) -> list[Any]:
        """Columns and the old elements that they were added to, as values."""
        return [np.concatenate(bits).view(np.float32).astype(np.float64) for bits in zip(*self._added, strict=True)]

    async def run(self, traffic: Any, cycles: int) -> None:
        """From reset on; memories keep their elements through a reset, so the warm-up fixes those that are used."""
        start_clock(self.dut)
        script = traffic.warm_up()
        inputs = script[0]
        await reset(self.dut, {name: 0 for name in self._packed_inputs(inputs)})
        drive(self.dut, self._packed_inputs(inputs))
        for cycle in range(len(script) + cycles):
            await RisingEdge(self.dut.clk)
            slices = self._model_inputs(inputs)
            out = self.model.comb(slices)
            expected = self._expected(out)
            names = OUTPUTS if cycle >= len(script) else DEFINED
            compare(cycle, sample(self.dut, names), {name: expected[name] for name in names}, "psum")
            self._count(slices, out)
            self.model.tick(slices)
            inputs = script[cycle + 1] if cycle + 1 < len(script) else traffic.inputs(self.model.old)
            drive(self.dut, self._packed_inputs(inputs))
        assert not self.model.undefined, f"the warm-up must write every element: {self.model.undefined[:3]}"
