"""How a stationary tile comes in: words of SBUF in the slots of a frame, F columns of them a group.

An SBUF word is four F bytes (`config_rules.py`), so it has 4, 2 or 1 groups of elements of 1, 2 or 4 bytes. The frame
has two slots for stationary words. Elements of 2 bytes need both to send a group in every cycle; of 1 byte, one; of
4 bytes, both, and then only two groups come in a frame's four cycles. Where a tile has two rows in a partition (double
row, elements of 1 byte), each has a slot, and a group takes its elements of both words, the second as it arrives. A
sparse tile has one slot only, so a word a frame, whatever its elements (`sparsity.py`).

Letters: a, the cycle in which the load is accepted (slot 3); g, a group; i, a word.
"""

from typing import TYPE_CHECKING

from .formats import Format
from .frame import SLOTS, STATIONARY_SLOTS

if TYPE_CHECKING:
    from .config import TensorConfig

__all__ = ["WORD_GROUPS", "group_cycle", "groups_of_a_word", "load_span", "swap_lead", "word_cycle", "words_of_a_frame"]

WORD_GROUPS = 4
"""Groups of single bytes in a word."""


def groups_of_a_word(form: Format) -> int:
    """4, 2 or 1."""
    return WORD_GROUPS >> form.size_log2


def words_of_a_frame(form: Format, rows: int = 1, *, sparse: bool = False) -> int:
    """Two, or one where a word is enough for a frame; one of each of two `rows`; of a sparse tile one."""
    if sparse:
        return 1
    return rows if rows > 1 else min(STATIONARY_SLOTS, SLOTS // groups_of_a_word(form))


def word_cycle(form: Format, word: int, rows: int = 1, *, sparse: bool = False) -> int:
    """In which cycle after a + 1 word i is read; of several rows the words of one place are numbered together."""
    words = words_of_a_frame(form, rows, sparse=sparse)
    return SLOTS * (word // words) + word % words


def group_cycle(form: Format, group: int, *, sparse: bool = False) -> int:
    """In which cycle after a + LOAD_LEAD group g is at row 0's edge: one a cycle, or those of a word as these come."""
    inside = groups_of_a_word(form)
    if sparse or inside == 1:
        return word_cycle(form, group // inside, sparse=sparse) + group % inside
    return group


def load_span(form: Format, groups: int, *, sparse: bool = False) -> int:
    """Cycles from a load's first group to its last, both included."""
    return group_cycle(form, groups - 1, sparse=sparse) + 1


def swap_lead(tensor: "TensorConfig", form: Format, *, sparse: bool = False) -> int:
    """Cycles by which a swap that comes as early as it may would overtake the load's groups; 0: it never does.

    Group g is in its columns' shadow registers g + 2 cycles after the edge, the swap's column at column g * F in
    FIRST_COLUMN - LOAD_LEAD + g * F cycles after the first group was there.
    """
    groups = range(tensor.columns // tensor.load_columns)
    return max(0, *(group_cycle(form, g, sparse=sparse) + g - g * tensor.load_columns for g in groups))
