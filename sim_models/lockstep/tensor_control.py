"""What the tensor engine's head says in a cycle: control of partition 0, and the wave to PSUM slice 0."""

from typing import NamedTuple

__all__ = ["BackgroundWave", "Column", "EdgeControl", "Group", "Lookup", "LookupPlace", "Read", "Turn", "Wave"]


class Read(NamedTuple):
    """Of scales `buffer` and `moving` mean nothing, of other words `entry`.

    Of `tags`, `buffer` is the word's number, and so many `units` of it are tags of a tile with this `ratio`.
    """

    moving: int
    address: int
    buffer: int
    start: int
    partitions: int
    scale: int = 0
    entry: int = 0
    tags: int = 0
    ratio: int = 0
    units: int = 0


class Group(NamedTuple):
    """`place`: of the group in its word, in groups of the smallest operand; `ratio`: 0 where weights have no tags;
    `number`: of the group in its load, where weights may have some; `offset`: of exponents; `apart`: NEUTRAL in rows
    outside of the load.
    """

    buffer: int
    place: int
    tag: int
    dtype: int
    part: int
    paired: int
    ratio: int = 0
    number: int = 0
    offset: int = 0
    apart: int = 0


class Column(NamedTuple):
    """`place`: of the element in its word, in elements of the smallest operand; `ratio`: of a sparse tile how many
    candidates there are, one in `buffer` and one in each behind it, else 0; `offset`: of the exponent.
    """

    swap: int
    buffer: int
    place: int
    dtype: int
    part: int
    paired: int
    ratio: int = 0
    offset: int = 0


class Wave(NamedTuple):
    """`halves`: a bit for each half of the word that is written, where halves are written alone; `carried`: one has the
    bits that the sum carries, where there is another choice; `rounding`: of a sum there, where there is a choice.
    """

    address: int
    halves: int
    carried: int
    rounding: int
    accumulate: int
    first: int
    columns: int


class BackgroundWave(NamedTuple):
    """Of an element of a transpose beside matmuls: `address` in halves of words."""

    address: int
    first: int
    columns: int


class Turn(NamedTuple):
    """Rows whose shadow registers go to the chain of bits."""

    start: int
    partitions: int


class LookupPlace(NamedTuple):
    """Scales in a group's memory: in which word, and where in it."""

    entry: int
    place: int


class Lookup(NamedTuple):
    """Of the next cycle's column and group; None where they have none."""

    column: LookupPlace | None
    group: LookupPlace | None


class EdgeControl(NamedTuple):
    """What partition 0 does in a cycle; None where it does nothing."""

    read: Read | None
    group: Group | None
    column: Column | None
    lookup: Lookup | None = None
    turn: Turn | None = None
