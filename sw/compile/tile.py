"""A tile of a compiled program: where the allocator put it, and from which instruction to which it is in use."""

from dataclasses import dataclass

__all__ = ["PlacedTile"]


@dataclass(frozen=True)
class PlacedTile:
    """A place in every partition from `address` on, for the instructions `first` to `last`."""

    name: str
    memory: str
    """`sbuf` or `psum`."""
    address: int
    """In each partition [bytes]."""
    bytes: int
    """In each partition, with what the allocator rounds up to: words of SBUF."""
    partitions: int
    first: int
    """Tag, that is the number in program order, of the first instruction that uses it."""
    last: int
    """Tag of the last one."""
    site: str
    """The kernel's line of the first use: "file:line"."""
