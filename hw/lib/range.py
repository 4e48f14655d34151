"""Membership of a partition in the partitions of a command."""

from amaranth.hdl import Value

__all__ = ["in_range"]


def in_range(index: Value, start: Value, count: Value) -> Value:
    """start <= index < start + count, without wrapping around."""
    return (index >= start) & (index < start + count)
