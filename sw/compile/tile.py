"""A tile where the compiler put it."""

from dataclasses import dataclass

__all__ = ["PlacedTile"]


@dataclass(frozen=True)
class PlacedTile:
    """Bytes `address` to `address + bytes - 1` of `partitions` partitions, while instructions `first` to `last` run."""

    name: str
    memory: str
    """sbuf or psum."""
    address: int
    bytes: int
    partitions: int
    first: int
    """Number of an instruction in program order, its tag without the wrap."""
    last: int
    site: str
    """Line of the kernel that used it first."""
