"""The harness's host in Python: plays a script on the AXI4-Lite port, cycle for cycle as `sw/rtl/harness.cpp` does."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from makalu.spec.registers import FULL_STROBE

__all__ = ["IDLE_CONTROL", "ScriptHost", "start_script"]

IDLE_CONTROL = {
    "control__aw__valid": 0,
    "control__aw__addr": 0,
    "control__w__valid": 0,
    "control__w__data": 0,
    "control__w__strb": FULL_STROBE,
    "control__b__ready": 0,
    "control__ar__valid": 0,
    "control__ar__addr": 0,
    "control__r__ready": 0,
}


def start_script(text: str) -> list[tuple[str, int, int]]:
    """Lines of a script as (word, first number, second number)."""
    rows = [line.split() for line in text.splitlines()]
    return [(row[0], int(row[1], 16), int(row[2], 16) if len(row) > 2 else 0) for row in rows]


class ScriptHost:
    """`inputs` of a cycle, then `tick` with what the core showed in it; `done` when the script is over.

    Members: `values` (address -> what was read), `responses` (of all accesses).
    """

    def __init__(self, script: list[tuple[str, int, int]]) -> None:
        self._script = deque(script)
        self._inputs = dict(IDLE_CONTROL)
        self._waited = 0
        self.values: dict[int, int] = {}
        self.responses: list[int] = []
        self._begin()

    @property
    def done(self) -> bool:
        return not self._script

    def inputs(self) -> dict[str, int]:
        return dict(self._inputs)

    def _begin(self) -> None:
        self._waited = 0
        if self.done:
            return
        word, first, second = self._script[0]
        if word == "write":
            self._inputs |= {"control__aw__valid": 1, "control__aw__addr": first, "control__w__valid": 1}
            self._inputs |= {"control__w__data": second, "control__b__ready": 1}
        elif word == "read":
            self._inputs |= {"control__ar__valid": 1, "control__ar__addr": first, "control__r__ready": 1}

    def tick(self, seen: Mapping[str, Any]) -> None:
        if self.done:
            return
        word, first, _ = self._script[0]
        over = False
        for channel in ("aw", "w", "ar"):
            if self._inputs[f"control__{channel}__valid"] and seen[f"control__{channel}__ready"]:
                self._inputs[f"control__{channel}__valid"] = 0
        if word == "write" and seen["control__b__valid"]:
            over = True
            self.responses.append(seen["control__b__resp"])
            self._inputs["control__b__ready"] = 0
        elif word == "read" and seen["control__r__valid"]:
            over = True
            self.responses.append(seen["control__r__resp"])
            self.values[first] = seen["control__r__data"]
            self._inputs["control__r__ready"] = 0
        elif word == "wait":
            self._waited += 1
            over = bool(seen["irq"]) or self._waited == first
        if over:
            self._script.popleft()
            self._begin()
