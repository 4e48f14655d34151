"""Lockstep model of all lanes of one engine at once: arrays over partitions, the same ports as `Lane`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.formats import ACCUMULATOR, FORMAT_OF_CODE
from makalu.spec.isa import AluOp, Function
from makalu.spec.lane_programs import LaneInput, data_inputs, operand_inputs
from makalu.spec.lanes import ELEMENT_BUFFER, LANE_STAGES, SOURCES

from ..golden.formats import narrow, storage, widen
from ..golden.lanes import ONE, alu_step, function
from ..golden.random_bits import Generators
from .group_scales import GroupScales
from .lane_engine import LaneEngineModel
from .taking_part import taking_part

__all__ = ["LaneEngineModel", "LanesModel"]

Bits = NDArray[np.uint32]


class LanesModel:
    """dst = cast(function(op1(op0(data, operand0), operand1))) in P partitions side by side.

    Inputs: `control` (`to_lanes` of `LaneEngineModel`), `sbuf_data` uint8 [P, W], `psum_data` uint32 [P]; where the
    core rounds stochastically `seeding`, {start, seed} of this cycle.
    Outputs, from the state alone: `write_data` uint8 [P, W]; `known` bool [P, W], bytes of it that were ever placed
    (the RTL's data registers have no reset).
    An element is computed when it enters the pipeline and only travels then: what it becomes does not depend on when.
    One of a group waits in it until the last of the group has entered; one that is rounded stochastically is when it
    reaches the last stage.
    `grouped`: of an engine that scales in groups; `comb` then looks at `control`.
    """

    def __init__(self, config: CoreConfig, *, engine: str = "vector", grouped: bool = False) -> None:
        self.grouped = grouped
        self.generators = Generators(engine, config.partitions) if config.stochastic else None
        if self.generators is not None:
            self.generators.state[:] = 0  # of reset
        count, width = config.partitions, config.sbuf.word_bytes
        self.word = np.zeros((len(SOURCES), count, width), np.uint8)
        self.buffer = np.zeros((len(SOURCES), ELEMENT_BUFFER, count), np.uint32)
        self.pipeline = np.zeros((LANE_STAGES, count), np.uint32)
        self._entered: tuple[dict[str, Any], tuple[int, int]] | None = None
        """Setup and place of what entered the pipeline last; None when the element buffer has changed since."""
        self._entered_again = 0
        """How often in a row the same entered once more."""
        self.combined = np.zeros((count, width), np.uint8)
        self.write_data = np.zeros((count, width), np.uint8)
        self.combined_known = np.zeros((count, width), bool)
        self.known = np.zeros((count, width), bool)
        if grouped:
            self.groups = GroupScales(config)

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if self.grouped and inputs["control"]["scale_show"]:
            return self.groups.shown()
        return {"write_data": self.write_data.copy(), "known": self.known.copy()}

    def tick(self, inputs: dict[str, Any]) -> None:
        control = inputs["control"]
        setup = control["setup"]
        part = taking_part(setup["start"], setup["count"], len(self.known))
        if control["move"]:
            self.write_data[part] = self.combined[part]
            self.known[part] = self.combined_known[part]
        if control["place"]:
            self._place(control["place_position"], FORMAT_OF_CODE[setup["dst_dtype"]].bytes, part)
        if self.grouped:
            self.groups.tick(control, part)
        if control["advance"]:
            self._advance(setup, control["pop_index"], part, drawn=bool(control.get("draw")))
            if self.grouped:
                self.groups.advance(control, self.pipeline)
            if control.get("draw"):
                self._round(setup, part)
        if self.generators is not None and inputs["seeding"]["start"]:
            self.generators.start(inputs["seeding"]["seed"])
        for s in range(len(SOURCES)):
            if control["push"][s]:
                self._push(s, control, inputs, part)

    def _advance(self, setup: dict[str, Any], index: tuple[int, int], part: NDArray[np.bool_], *, drawn: bool) -> None:
        """One step of the pipeline; an idle engine's takes the same element in again and again."""
        again = self._entered == (setup, index)
        self._entered_again = self._entered_again + 1 if again else 0
        if self._entered_again >= LANE_STAGES and not drawn:
            return  # every stage already holds it
        entering = self.pipeline[0] if again else self._compute(setup, index)
        self.pipeline = np.where(part, np.concatenate([entering[None], self.pipeline[:-1]]), self.pipeline)
        self._entered = (dict(setup), index)

    def _push(self, s: int, control: dict[str, Any], inputs: dict[str, Any], part: NDArray[np.bool_]) -> None:
        setup = control["setup"]
        if control["load"][s]:
            self.word[s][part] = inputs["sbuf_data"][part]
        form = FORMAT_OF_CODE[setup["dtype"][s]]
        words = inputs["psum_data"].astype("<u4")[:, None].view(np.uint8) if setup["psum"][s] else self.word[s]
        raw = words[:, control["position"][s] :][:, : form.bytes].copy()
        value = widen(form, raw.view(storage(form))[:, 0])
        index = control["push_index"][s]
        self.buffer[s, index] = np.where(part, value, self.buffer[s, index])
        self._entered = None

    def _compute(self, setup: dict[str, Any], index: tuple[int, int]) -> Bits:
        src0, src1 = self.buffer[0, index[0]], self.buffer[1, index[1]]
        immediates = [np.full_like(src0, immediate) for immediate in setup["immediate"]]
        taken = data_inputs(grouped=self.grouped)[setup["data"]]
        data = {LaneInput.IMMEDIATE: immediates[0], LaneInput.SRC0: src0}[taken]
        for step, value in enumerate((src1, self.buffer[1, 0])):  # behind step 0 only one value a partition is kept
            operands = {LaneInput.IMMEDIATE: immediates[step], LaneInput.SRC1: value}
            operands[LaneInput.LIFT] = np.full_like(src0, ONE)  # what a group's scale takes back
            operand = operands[operand_inputs(grouped=self.grouped)[setup["operand"][step]]]
            data = alu_step(AluOp(setup["op"][step]), data, operand, reverse=bool(setup["reverse"][step]))
        data = function(Function(setup["function"]), data)
        if setup.get("grouped") or setup.get("rounding"):
            return data
        # before the first instruction there is no format yet
        return narrow(FORMAT_OF_CODE.get(setup["dst_dtype"], ACCUMULATOR), data).astype(np.uint32)

    def _round(self, setup: dict[str, Any], part: NDArray[np.bool_]) -> None:
        """What has come to the last stage."""
        assert self.generators is not None
        form, rows = FORMAT_OF_CODE[setup["dst_dtype"]], np.flatnonzero(part)
        random = self.generators.draw(rows, 1)[:, 0]
        self.pipeline[-1, rows] = narrow(form, self.pipeline[-1, rows], random)

    def _place(self, position: int, size: int, part: NDArray[np.bool_]) -> None:
        raw = np.ascontiguousarray(self.pipeline[-1]).view(np.uint8).reshape(-1, ACCUMULATOR.bytes)[:, :size]
        self.combined[part, position : position + size] = raw[part]
        self.combined_known[part, position : position + size] = True
