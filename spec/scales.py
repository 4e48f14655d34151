"""Where the scales of MX lie, and when they come to the array.

A group of elements that share a scale is GROUP_PARTITIONS partitions of one container each. The scales of partitions
Q q .. Q q + Q - 1, a *quadrant*, lie in Q / 8 partitions of the same quadrant, from its first one or one 4, 8 or 12
above it on: partition Q q + offset + j has those of partitions Q q + 8 j .. Q q + 8 j + 7, a byte for each container,
in their order, from the beginning of a word on. Q is 32, or all partitions of a smaller core.
Source: NKI, nisa.nc_matmul_mx.

This is the one path of the tensor engine between partitions. Words of scales are read in the stationary words' slots,
into a memory that each group has (ENTRIES); its first row takes them from there a column or group of columns at a time,
in the cycle before they are at its edge, and hands them on with the wave. A word must be there before the first group
that needs it, although its partition may lie below that, and stay until the last has used it.

Letters: W, bytes of an SBUF word, scales of as many columns; L, the adder's registers; R, the cycle in which partition
0's control has the read; h, the one in which the column is at row 0's edge.
"""

from typing import TYPE_CHECKING

from .frame import SLOTS, STATIONARY_SLOTS
from .loading import groups_of_a_word, word_cycle

if TYPE_CHECKING:
    from .config import CoreConfig
    from .formats import Format

__all__ = [
    "ENTRIES",
    "GROUP_PARTITIONS",
    "MOVING_ENTRIES",
    "OFFSET_STEP",
    "STATIONARY_BANKS",
    "STATIONARY_ENTRIES",
    "first_scaled_column",
    "groups_of_a_quadrant",
    "largest_offset",
    "load_lead",
    "quadrant",
    "scale_lead",
    "scale_partitions",
    "scale_release",
    "scale_words",
    "scales_apart",
]

GROUP_PARTITIONS = 8
_QUADRANT = 32
OFFSET_STEP = 4
_OFFSETS = 4

MOVING_ENTRIES = 32
"""Words of moving scales that a group keeps, in turn: those of a whole bank of PSUM with 16 bytes a word."""
STATIONARY_BANKS = 4
"""Loads whose scales a group keeps, in turn."""
STATIONARY_ENTRIES = 32
"""Words of all banks."""
ENTRIES = MOVING_ENTRIES + STATIONARY_ENTRIES


def quadrant(config: "CoreConfig") -> int:
    """Partitions whose scales lie together."""
    return min(_QUADRANT, config.partitions)


def groups_of_a_quadrant(config: "CoreConfig") -> int:
    """And partitions in which they lie."""
    return quadrant(config) // GROUP_PARTITIONS


def largest_offset(config: "CoreConfig") -> int:
    """Of the partitions of scales in a quadrant."""
    return min((_OFFSETS - 1) * OFFSET_STEP, quadrant(config) - OFFSET_STEP)


def scale_partitions(config: "CoreConfig") -> dict[int, int]:
    """Where in a quadrant scales may lie, each with the group in the quadrant that it has them of."""
    starts = range(0, largest_offset(config) + 1, OFFSET_STEP)
    return {start + group: group for start in starts for group in range(groups_of_a_quadrant(config))}


def scale_words(config: "CoreConfig", columns: int) -> int:
    """Words that the scales of so many columns take."""
    return -(-columns // config.sbuf.word_bytes)


def scale_lead(config: "CoreConfig") -> int:
    """h - R at the least: a word's way to the group whose first row is farthest above its partition."""
    return 3 + largest_offset(config) * config.tensor.add_stages


def scale_release(config: "CoreConfig") -> int:
    """R - (h - 1) at the least, h the last column of the word whose place is taken.

    At least 1, where no group's first row is below the partition of its scales.
    """
    below = (groups_of_a_quadrant(config) - 1) * (GROUP_PARTITIONS - 1)
    return max(1, below * config.tensor.add_stages)


def scales_apart(config: "CoreConfig") -> int:
    """Cycles that must lie between the last word of a matmul's scales and the first of the next one's.

    They may come from other partitions, as many cycles apart, and each group takes one in a cycle. The scales of loads
    are farther apart than that.
    """
    return largest_offset(config) * config.tensor.add_stages


def load_lead(config: "CoreConfig") -> int:
    """Cycles from the acceptance of a load with scales to the one from which it goes on like any other; whole frames.

    In them its words of scales are read, two a frame. Group g needs those that are read at its number of frames: they
    come no slower than groups do.
    """
    frames = -(-scale_words(config, config.tensor.columns) // STATIONARY_SLOTS)
    # its first group is at the edge LOAD_LEAD behind, its first word is read 1 behind the acceptance
    return SLOTS * max(frames, -(-(scale_lead(config) - 2) // SLOTS))


def first_scaled_column(config: "CoreConfig", form: "Format", columns: int) -> int:
    """Cycles from the acceptance of a load of so many columns to the first column of the matmul right behind it.

    The load reads its scales and its words, then the matmul's first word of scales is read.
    """
    groups = -(-columns // config.tensor.load_columns)
    words = -(-groups // groups_of_a_word(form))
    read = load_lead(config) + 1 + word_cycle(form, words - 1) + 1
    while (read - 1) % SLOTS >= STATIONARY_SLOTS:  # a load is accepted in the slot before the first
        read += 1
    return read + scale_lead(config)
