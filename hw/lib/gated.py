"""Structs of which some fields carry something only while others say so; the layout itself says which."""

from collections.abc import Mapping
from typing import Any

from amaranth.lib import data

__all__ = ["GatedLayout"]


class GatedLayout(data.StructLayout):
    """A `StructLayout` that knows when its fields mean nothing; the bits are the same.

    A field means something where every gate of it does: a gate of one bit counts for the whole field, one of n bits for
    n equal parts of it, bit i for part i. Benches compare what means something; nothing in the RTL looks at it.

    Parameters
    ----------
    members
        As of `StructLayout`.
    go
        A field of one bit that gates all others.
    gates
        Further gates, by the field that they gate; `~name` is shut by ones, `a.b` lies in the struct `a`.

    Errors: `KeyError` for a gate that is no field, `ValueError` for one whose bits do not divide those that it gates.
    """

    def __init__(
        self, members: Mapping[str, Any], *, go: str | None = None, gates: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(members)
        own = dict(gates or {})
        first = () if go is None else (go,)
        others = [name for name in members if go is not None and name != go]
        self.go = go
        self.gates = {name: (*(first if name in others else ()), *own.get(name, ())) for name in (*others, *own)}
        """Names of the gates of each field that has any."""
        for name, by in self.gates.items():
            for gate in by:
                if self[name].width % self.gate(gate)[1]:
                    raise ValueError(
                        f"gate of {name!r} must divide its {self[name].width} bits, which {gate!r} does not"
                    )

    def gate(self, path: str) -> tuple[int, int, bool]:
        """Lowest bit and width of a gate, and whether ones shut it."""
        layout, low = data.Layout.cast(self), 0
        for name in path.removeprefix("~").split("."):
            field = layout[name]
            layout, low = field.shape, low + field.offset
        return low, field.width, path.startswith("~")
