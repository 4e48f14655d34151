"""Lockstep model of what scales in groups of lanes: the scales, and their way to the partitions in which they lie."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.formats import FORMAT_OF_CODE
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.scales import GROUP_PARTITIONS, quadrant, scale_partitions

from ..golden.quantize import scale_codes, scaled

__all__ = ["GroupScales"]


class GroupScales:
    """Elements [G * 8] that follow each other in fours, over the scales of their groups [G].

    A code travels beside the first element of its group. Of the scales' word only the partitions in which scales may
    lie have one.
    """

    def __init__(self, config: CoreConfig) -> None:
        count, width = config.partitions, config.sbuf.word_bytes
        self.codes = np.zeros((LANE_STAGES, count // GROUP_PARTITIONS), np.int64)
        self.combined = np.zeros((count, width), np.uint8)
        self.combined_known = np.zeros((count, width), bool)
        self.moved = np.zeros((count, width), np.uint8)
        self.known = np.zeros((count, width), bool)
        bases = range(0, count, quadrant(config))
        inside = scale_partitions(config)
        self._rows = np.array([base + p for base in bases for p in inside])
        self._group_of = np.array([base // GROUP_PARTITIONS + group for base in bases for group in inside.values()])

    def shown(self) -> dict[str, Any]:
        return {"write_data": self.moved.copy(), "known": self.known.copy()}

    def tick(self, control: dict[str, Any], part: NDArray[np.bool_]) -> None:
        """The word of scales; before the pipeline moves."""
        rows = self._rows[part[self._rows]]
        if control["scale_move"]:
            self.moved[rows], self.known[rows] = self.combined[rows], self.combined_known[rows]
        if control["scale_place"]:
            groups = self._group_of[part[self._rows]]
            self.combined[rows, control["scale_position"]] = self.codes[-1][groups]
            self.combined_known[rows, control["scale_position"]] = True

    def advance(self, control: dict[str, Any], pipeline: NDArray[np.uint32]) -> None:
        """The pipeline has moved: with the last element of a group all of its elements become what they will be."""
        self.codes = np.roll(self.codes, 1, axis=0)
        if not control["enters"] or control["phase"] != GROUP_ELEMENTS - 1:
            return
        raw = pipeline[:GROUP_ELEMENTS]
        grouped = raw.reshape(GROUP_ELEMENTS, -1, GROUP_PARTITIONS).swapaxes(0, 1).reshape(self.codes.shape[1], -1)
        codes = scale_codes(grouped, control["setup"]["dropped"])
        self.codes[GROUP_ELEMENTS - 1] = codes
        form = FORMAT_OF_CODE[control["setup"]["dst_dtype"]]
        pipeline[:GROUP_ELEMENTS] = scaled(form, raw, np.repeat(codes, GROUP_PARTITIONS))
