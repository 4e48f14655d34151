"""Lockstep model of the access arbiter: the same ports as `AccessArbiter`, cycle by cycle."""

from typing import Any

from makalu.spec.config import CoreConfig
from makalu.spec.memory_map import ENGINES, GRANULE_BYTES

__all__ = ["AccessArbiterModel"]

_FIELDS = ("address", "mask", "start", "count")
_PSUM_FIELDS = ("address", "start", "count")


class AccessArbiterModel:
    """command[e] = request[e] granted in the cycle before; at most one engine a bank and cycle.

    Inputs: `request` (two dicts valid, write, address, mask, start, count), `psum_request` (two dicts valid, address,
    start, count), `owned` (bits). Outputs: `grant`, `psum_grant` (bits), `command`, `psum_command` (two dicts each).
    A command's fields are meaningful only with `enable`; without it they are the fields of the request a cycle ago.
    """

    def __init__(self, config: CoreConfig) -> None:
        self.config = config
        self.turn = 0
        self.psum_turn = 0
        self.merging = [False] * ENGINES
        self.command = [dict.fromkeys(("enable", "write", *_FIELDS), 0) for _ in range(ENGINES)]
        self.psum_command = [dict.fromkeys(("enable", *_PSUM_FIELDS), 0) for _ in range(ENGINES)]

    def partial(self, mask: int) -> bool:
        """Some granule has some of its bytes set, but not all."""
        whole = (1 << GRANULE_BYTES) - 1
        granules = [(mask >> i) & whole for i in range(0, self.config.sbuf.word_bytes, GRANULE_BYTES)]
        return any(granule not in (0, whole) for granule in granules)

    def _decide(self, inputs: dict[str, Any]) -> dict[str, Any]:
        words, elems = self.config.sbuf.bank_words, self.config.psum.bank_elems
        want: list[int | None] = [r["address"] // words if r["valid"] else None for r in inputs["request"]]
        conflict = want[0] is not None and want[0] == want[1]
        winner = self.merging.index(True) if any(self.merging) and not all(self.merging) else self.turn
        goes = [want[e] is not None and (not conflict or winner == e) for e in range(ENGINES)]
        reads_first = [
            bool(r["write"]) and self.partial(r["mask"]) and not self.merging[e]
            for e, r in enumerate(inputs["request"])
        ]

        banks = [r["address"] // elems for r in inputs["psum_request"]]
        psum_want = [
            bool(r["valid"]) and not (inputs["owned"] >> bank) & 1
            for r, bank in zip(inputs["psum_request"], banks, strict=True)
        ]
        psum_conflict = all(psum_want) and banks[0] == banks[1]
        psum_goes = [psum_want[e] and (not psum_conflict or self.psum_turn == e) for e in range(ENGINES)]
        return {
            "goes": goes,
            "reads_first": reads_first,
            "turn": 1 - winner if conflict else self.turn,
            "psum_goes": psum_goes,
            "psum_turn": 1 - self.psum_turn if psum_conflict else self.psum_turn,
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
                **{name: request[name] for name in _FIELDS},
            }
        for e, request in enumerate(inputs["psum_request"]):
            self.psum_command[e] = {
                "enable": int(decided["psum_goes"][e]),
                **{name: request[name] for name in _PSUM_FIELDS},
            }
        self.turn, self.psum_turn = decided["turn"], decided["psum_turn"]
