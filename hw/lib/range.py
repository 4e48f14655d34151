"""Membership of a partition in the partitions of a command."""

from amaranth.hdl import Value
from amaranth.utils import ceil_log2

from makalu.spec.config import CoreConfig
from makalu.spec.scales import groups_of_a_quadrant, quadrant

__all__ = ["in_range", "scale_row"]


def in_range(index: Value, start: Value, count: Value) -> Value:
    """start <= index < start + count, without wrapping around."""
    return (index >= start) & (index < start + count)


def scale_row(index: Value, start: Value, config: CoreConfig) -> Value:
    """A partition from `start` on is one of those in which its quadrant's scales lie."""
    return (index - start)[: ceil_log2(quadrant(config))] < groups_of_a_quadrant(config)
