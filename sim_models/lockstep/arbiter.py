"""Lockstep model of the access arbiter: the same ports as `AccessArbiter`, cycle by cycle."""

from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES

__all__ = ["AccessArbiterModel"]

_FIELDS = ("address", "mask", "start", "count")
_PSUM_FIELDS = ("address", "start", "count")


class AccessArbiterModel:
    """command[e] = request[e] granted in the cycle before; at most one engine a bank and cycle.

    Inputs: `request` (a dict an engine: valid, write, address, mask, start, count, where there is MX scales),
    `psum_request` (the same: valid, address, start, count), `owned` (bits). Outputs: `grant`, `psum_grant` (bits),
    `command`, `psum_command` (a dict an engine).
    A command's fields are meaningful only with `enable`; without it they are the fields of the request a cycle ago.
    """

    def __init__(self, config: CoreConfig, engines: int = ENGINES) -> None:
        self.config, self.engines = config, engines
        self.fields = (*_FIELDS, "scales") if config.tensor.quads else _FIELDS
        self.turn = 0
        self.psum_turn = 0
        self.merging = [False] * engines
        self.command = [dict.fromkeys(("enable", "write", *self.fields), 0) for _ in range(engines)]
        self.psum_command = [dict.fromkeys(("enable", *_PSUM_FIELDS), 0) for _ in range(engines)]

    def partial(self, mask: int) -> bool:
        """Some granule has some of its bytes set, but not all."""
        whole = (1 << GRANULE_BYTES) - 1
        granules = [(mask >> i) & whole for i in range(0, self.config.sbuf.word_bytes, GRANULE_BYTES)]
        return any(granule not in (0, whole) for granule in granules)

    def _choose(self, want: list[int | None], turn: int, keeps: list[bool]) -> tuple[list[bool], int]:
        """Which engines go, of those that want a bank, and where the round begins after this cycle."""
        goes, begins = [], turn
        for e, bank in enumerate(want):
            rivals = [f for f, other in enumerate(want) if bank is not None and f != e and other == bank]
            before = [f for f in rivals if self._place(f, turn, keeps) < self._place(e, turn, keeps)]
            goes.append(bank is not None and not before)
            if rivals and not before:
                begins = (e + 1) % self.engines
        return goes, begins

    def _place(self, e: int, turn: int, keeps: list[bool]) -> int:
        """In the round; first of all is the engine that keeps its bank."""
        return -1 if keeps[e] else (e - turn) % self.engines

    def _decide(self, inputs: dict[str, Any]) -> dict[str, Any]:
        words, elems = self.config.sbuf.bank_words, self.config.psum.bank_elems
        want: list[int | None] = [r["address"] // words if r["valid"] else None for r in inputs["request"]]
        goes, turn = self._choose(want, self.turn, self.merging)
        reads_first = [
            bool(r["write"]) and self.partial(r["mask"]) and not self.merging[e]
            for e, r in enumerate(inputs["request"])
        ]

        banks = [r["address"] // elems if r["valid"] else None for r in inputs["psum_request"]]
        free = [None if bank is None or inputs["owned"] >> bank & 1 else bank for bank in banks]
        psum_goes, psum_turn = self._choose(free, self.psum_turn, [False] * self.engines)
        return {
            "goes": goes,
            "reads_first": reads_first,
            "turn": turn,
            "psum_goes": psum_goes,
            "psum_turn": psum_turn,
        }

    def comb(self, inputs: dict[str, Any]) -> dict[str, Any]:
        decided = self._decide(inputs)
        granted = [go and not first for go, first in zip(decided["goes"], decided["reads_first"], strict=True)]
        return {
            "grant": sum(int(g) << e for e, g in enumerate(granted)),
            "command": [dict(c) for c in self.command],
            "psum_grant": sum(int(g) << e for e, g in enumerate(decided["psum_goes"])),
            "psum_command": [dict(c) for c in self.psum_command],
        }

    def tick(self, inputs: dict[str, Any]) -> None:
        decided = self._decide(inputs)
        for e, request in enumerate(inputs["request"]):
            goes, first = decided["goes"][e], decided["reads_first"][e]
            self.merging[e] = goes and first
            self.command[e] = {
                "enable": int(goes),
                "write": int(bool(request["write"]) and not first),
                **{name: request[name] for name in self.fields},
            }
        for e, request in enumerate(inputs["psum_request"]):
            self.psum_command[e] = {
                "enable": int(decided["psum_goes"][e]),
                **{name: request[name] for name in _PSUM_FIELDS},
            }
        self.turn, self.psum_turn = decided["turn"], decided["psum_turn"]
