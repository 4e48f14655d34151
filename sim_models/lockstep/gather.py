"""Cycle-stepped model of what is between edges and array where weights have tags: all groups of partitions at once."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.config import CoreConfig
from makalu.spec.sparsity import ROW_CANDIDATES, deskew

from .taking_part import constant

__all__ = ["GatherModel"]

Ports = Mapping[str, NDArray[Any]]


class GatherModel:
    """x and w of each row D cycles late; candidates of a whole group, each as late as it takes to meet the row's wave.

    Inputs of a cycle: `x`, `w` as `TensorEdgesModel` gives them. Outputs: `x`, `w` as `ArrayModel` takes them, with
    `candidates` [P, 4 g]: number 4 * i + e is element e of partition i of the group.
    """

    def __init__(self, config: CoreConfig) -> None:
        tensor = config.tensor
        self._rows, self._late, self._own = tensor.group_rows, tensor.add_stages, deskew(tensor)
        count, width = config.partitions, tensor.load_columns
        no, nothing = constant(np.zeros(count, bool)), constant(np.zeros(count, np.int64))
        groups = constant(np.zeros((count, width), np.int64))
        x = {"operand": nothing, "active": no, "swap": no, "paired": no, "sparse": no}
        if tensor.background:
            x["turn"] = no
        w = {"operands": groups, "tag": nothing, "valid": no, "paired": no, "picks": groups}
        self._past: deque[tuple[Ports, Ports]] = deque([(x, w)] * self._own, maxlen=self._own)
        """The oldest first."""
        alone, self._nobody = (constant(np.zeros((count, n), np.int64)) for n in (ROW_CANDIDATES, tensor.candidates))
        farthest = 2 * self._own
        self._candidates: deque[NDArray[np.int64]] = deque([alone] * farthest, maxlen=farthest)
        """The newest first."""
        self._since = farthest
        """Edges since the last one with a candidate."""

    def comb(self, inputs: Mapping[str, Ports]) -> dict[str, dict[str, NDArray[Any]]]:
        x, w = self._past[0] if self._own else (inputs["x"], inputs["w"])
        return {"x": {**x, "candidates": self._gathered(inputs["x"])}, "w": dict(w)}

    def _gathered(self, now: Ports) -> NDArray[np.int64]:
        if not self._own:
            return np.asarray(now["candidates"])
        if self._since >= 2 * self._own and not now["sparse"].any():
            return self._nobody
        history = [now["candidates"], *self._candidates]
        out = np.empty_like(self._nobody)
        for j in range(self._rows):
            for i in range(self._rows):
                own = history[(self._rows - 1 + j - i) * self._late][i :: self._rows]
                out[j :: self._rows, i * ROW_CANDIDATES : (i + 1) * ROW_CANDIDATES] = own
        return out

    def tick(self, inputs: Mapping[str, Ports]) -> None:
        x = dict(inputs["x"])
        candidates = x.pop("candidates")
        self._past.append((x, inputs["w"]))
        self._candidates.appendleft(candidates)
        self._since = 0 if x["sparse"].any() else self._since + 1
