"""The nets of a netlist: what one thing drives, and the words into which it is cut."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from makalu.spec.errors import MakaluError

__all__ = ["WORD", "Bit", "Memory", "Net", "NetlistError", "Run", "extended"]

Bit = int | str
"""As Yosys writes it: the number of a wire's bit, or "0", "1", "x", "z"."""

WORD = 32
"""Bits of a lane."""


class NetlistError(MakaluError, ValueError):
    """The netlist has something that lanes cannot simulate; the message names the cell, its kind and its source."""


@dataclass(eq=False)
class Net:
    """`kind`: "input", "register", "read" or "cell"; `name`: of the port, of the cell, or (box, port) of an output."""

    kind: str
    width: int
    name: Any
    type: str = ""
    parameters: dict[str, int] = field(default_factory=dict)
    connections: dict[str, list[Bit]] = field(default_factory=dict)
    memory: "Memory | None" = None
    port: int = 0
    cuts: set[int] = field(default_factory=set)
    coarse: bool = False
    reset: bool = True
    """A register: it has a reset."""
    init: int = 0
    _parts: list[tuple[int, int]] | None = None

    @property
    def parts(self) -> list[tuple[int, int]]:
        """(lowest bit, bits) of the words that it is made of, each at most 32 bits."""
        if self._parts is None:
            inner = {0, self.width} | {c for c in self.cuts if 0 < c < self.width}
            cuts = sorted(inner)
            self._parts = [
                (low, min(WORD, high - low))
                for start, high in zip(cuts, cuts[1:], strict=False)
                for low in range(start, high, WORD)
            ]
        return self._parts

    def part(self, bit: int) -> int:
        """Number of the part that has `bit`."""
        return bisect_right(self.parts, (bit, WORD + 1)) - 1


@dataclass(eq=False)
class Memory:
    """`size` words of `width` bits; ports as Yosys' `$mem_v2` has them."""

    name: str
    width: int
    size: int
    address_bits: int
    init: list[int]
    reads: list[Net] = field(default_factory=list)
    enables: list[list[Bit]] = field(default_factory=list)
    """One a read port; empty for one that is not clocked."""
    addresses: list[list[Bit]] = field(default_factory=list)
    writes: list[tuple[list[Bit], list[Bit], list[Bit]]] = field(default_factory=list)
    """(address, data, enable of each bit)"""


@dataclass(frozen=True)
class Run:
    """`width` bits from bit `at` of a list of bits on: bits `low` .. of `net`, or the constant `low` without one."""

    net: Net | None
    low: int
    at: int
    width: int


def extended(bits: Sequence[Bit], width: int, signed: bool) -> list[Bit]:
    """The bits cut or extended to `width`."""
    fill: Bit = bits[-1] if signed and bits else "0"
    return (list(bits) + [fill] * (width - len(bits)))[:width]
