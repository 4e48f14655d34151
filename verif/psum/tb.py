"""PSUM slices in the chain of their waves, cut from the core, beside their model."""

from functools import cache
from typing import Any

import numpy as np

from makalu.sim_models.lockstep.psum import PsumModel
from makalu.spec.config import CoreConfig
from verif.lib.cut import Cut
from verif.lib.side_by_side import SideBySide

__all__ = ["PsumBench", "psum_cut"]

DATA = ("commit", "read_data")
"""Undefined until the first reads."""
OUTPUTS = ("wave_out", *DATA)


@cache
def psum_cut(config: CoreConfig) -> Cut:
    """P PsumSlices, slice p's wave from slice p - 1."""
    drive = ("array.p", "head.wave", "arbiter.psum_command", *(("sequencer.seeding",) * config.stochastic_sums))
    return Cut(config=config, blocks=("psum_slice",), drive=drive, show=tuple(f"psum_slice.{port}" for port in OUTPUTS))


def _takes(wave: dict[str, Any], rows: Any) -> Any:
    """Slices that a wave is for."""
    return (rows >= wave["first"]) & (rows < wave["first"] + wave["columns"])


class _Model(PsumModel):
    def _inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The wave of slice p is what slice p - 1 had in the cycle before."""
        wave = {name: np.concatenate([[inputs["wave"][name]], later[:-1]]) for name, later in self.wave.items()}
        seen = {"column": inputs["number"], "wave_in": wave, "access": inputs["access"]}
        return seen | {"seeding": inputs["seeding"]}

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        self.seen = self._inputs(inputs)
        out = super().comb(self.seen)
        return {f"psum_slice__{port}": out[port].T if port == "read_data" else out[port] for port in OUTPUTS}

    def tick(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        super().tick(self.seen)


class PsumBench(SideBySide):
    """Drives the inputs of `traffic` and counts what they led to."""

    unreset = tuple(f"psum_slice__{port}" for port in DATA)

    def __init__(self, dut: Any, config: CoreConfig, traffic: Any) -> None:
        cut = psum_cut(config)
        super().__init__(dut, cut, _Model(config), name="psum", whole=tuple(cut.signature.members))
        self.config, self.traffic = config, traffic
        self._added: list[Any] = []

    def idle(self) -> dict[str, Any]:
        return self.traffic.quiet()

    def packed(self, inputs: dict[str, Any]) -> dict[str, int]:
        named = {"array__p": inputs["column"], "head__wave": inputs["wave"], "arbiter__psum_command": inputs["access"]}
        if self.config.stochastic_sums:
            named["sequencer__seeding"] = inputs["seeding"]
        return super().packed(named)

    def count(self, inputs: dict[str, Any], out: dict[str, Any]) -> None:
        seen, rows = self.model.seen, np.arange(self.config.partitions)
        wave, reads = seen["wave_in"], [access["enable"] for access in inputs["access"]]
        part = wave["valid"].astype(bool) & _takes(wave, rows)
        self.seen["overwrite"] += int((part & (wave["accumulate"] == 0)).sum())
        self.seen["accumulate"] += int((part & (wave["accumulate"] != 0)).sum())
        half = part & np.isin(wave["halves"], (1, 2))
        self.seen["half a word"] += int(half.sum())
        self.seen["bf16 added"] += int((half & (wave["accumulate"] != 0)).sum())
        self.seen["outside columns"] += int((wave["valid"].astype(bool) & ~part).sum())
        self.seen["commit"] += int(out["psum_slice__commit"]["valid"].sum())
        for e, enable in enumerate(reads):
            self.seen[f"read {e}"] += enable
        self.seen["read beside wave"] += bool(part.any() and any(reads))
        wave = self.model.wave  # of this cycle's columns
        written = (wave["valid"] != 0) & (wave["accumulate"] == 0) & _takes(wave, rows)
        tied = written & np.isin(wave["halves"], (1, 2)) & (wave["carried"] == 0) & (seen["column"] & 0xFFFF == 0x8000)
        self.seen["bf16 tie"] += int(tied.sum())
        self.seen["bf16 by random bits"] += int((written & (wave["rounding"] != 0)).sum())
        adds = (wave["valid"] & wave["accumulate"]).astype(bool) & _takes(wave, rows)
        self._added.append((seen["column"][adds], self.model.old[adds]))

    def sums(self) -> list[Any]:
        """Columns and the old elements that they were added to, as values."""
        return [np.concatenate(bits).view(np.float32).astype(np.float64) for bits in zip(*self._added, strict=True)]

    async def run(self, cycles: int) -> None:
        """From reset on; memories keep their elements through a reset, so the warm-up fixes those that are used."""
        await self.start()
        for inputs in self.traffic.warm_up():
            await self.step(inputs)
        self.undefined = ()
        for _ in range(cycles):
            await self.step(self.traffic.inputs(self.model.old))
        assert not self.model.undefined, f"the warm-up must write every element: {self.model.undefined[:3]}"
