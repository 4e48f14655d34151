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
        Further gates, by the field that they gate.

    Errors: `ValueError` for a gate that is no field, or whose bits do not divide those that it gates.
    """

    def __init__(
        self, members: Mapping[str, Any], *, go: str | None = None, gates: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        super().__init__(members)
        own = dict(gates or {})
        others = [name for name in members if go is not None and name != go]
        self.go = go
        self.gates = {name: (*([go] if name in others else []), *own.get(name, ())) for name in (*others, *own)}
        """Names of the gates of each field that has any."""
        for name, by in self.gates.items():
            for gate in by:
                if gate not in members or name not in members or self[name].width % self[gate].width:
                    raise ValueError(f"gate of {name!r} must be a field whose bits divide it, not {gate!r}")
