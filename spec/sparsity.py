"""Structured sparsity: a weight has a tag, which says which of its group's moving elements it meets.

M of N contiguous rows of the contraction are kept. In memory a stationary tile has only those, `src0[K, M]`, with a tag
each; a moving column has all of them: `ratio` elements in each partition, in dimension 3 of src0, as double row has
two. A *group* is GROUP_ROWS partitions, or fewer in an array with fewer candidates; its moving elements, at most
ROW_CANDIDATES of each partition, are the *candidates* of the weights in its rows. Weight k, m takes part as

    stationary[k, m] * moving[g * (k // g) + tag // ROW_CANDIDATES, tag % ROW_CANDIDATES, n],   g the group's rows

in row k of the column's chain, so numbers and order are those of a matmul of single elements. A tag is
ROW_CANDIDATES * row + element: row 0 .. g - 1 of the group, element 0 .. ratio - 1 of its partition. Of N rows that lie
in n partitions (ratio = N / n) at most n are kept: 4:16 in four partitions with ratio 4, 4:8 with ratio 2, 2:8 in two
with 4, 1:4 in one.

Tags lie in SBUF as uint16, four in each, that of the lowest column in the lowest bits: src1[K, M / 4] of the load, in
the partitions of src0, contiguous from a word on. Ours: the documents have four tags in a uint16 and [128, 32] of them
for 128 columns, but not the order, nor who numbers the candidates.

A load reads its tags before its weights, and looks at them as they arrive. So one that is out of range is known before
the first sum of the matmul behind the load is at PSUM: it and all that follow write nothing, and the load ends with
`ErrorCode.TAG`. Words of tags and weights are read in slot 0, one a frame; the moving stream has slots 1 and 2, so a
load of another mode waits until a sparse moving tile has been read.

Letters: W, bytes of an SBUF word; L, the adder's registers; g, rows of a group.
"""

from typing import TYPE_CHECKING

from .formats import FORMATS, SINGLES, Format
from .frame import SLOTS

if TYPE_CHECKING:
    from .config import CoreConfig, TensorConfig

__all__ = [
    "GROUP_ROWS",
    "GROUP_SIZES",
    "PACKED_TAGS",
    "RATIO_LIMIT",
    "ROW_CANDIDATES",
    "SPARSE",
    "SPARSE_SLOT",
    "TAGS",
    "TAG_BITS",
    "deskew",
    "tag_lead",
    "tag_words",
]

ROW_CANDIDATES = 4
"""Moving elements of a partition and column, at most."""
GROUP_SIZES = (1, 2, 4)
"""Partitions that a group may have."""
GROUP_ROWS = max(GROUP_SIZES)
RATIO_LIMIT = ROW_CANDIDATES
SPARSE_SLOT = 1
"""Of the frame: where words of sparse moving tiles are read, beside the moving stream's own."""
TAG_BITS = 4
PACKED_TAGS = 4
"""In an element of the tags' tensor."""
TAGS = FORMATS["uint16"]
"""The type of the tags' tensor."""

SPARSE: tuple[Format, ...] = tuple(form for form in SINGLES if form.size_log2 < 2)
"""Types of both sides. Not tf32, which the documents have too: words of it come too slowly for the swap."""


def tag_words(config: "CoreConfig", columns: int) -> int:
    """Words that the tags of so many columns take."""
    return -(-columns * TAG_BITS // (8 * config.sbuf.word_bytes))


def tag_lead(config: "CoreConfig") -> int:
    """Cycles from the acceptance of a sparse load to the one from which it goes on like any other; whole frames."""
    return SLOTS * tag_words(config, config.tensor.columns)


def deskew(tensor: "TensorConfig") -> int:
    """(g - 1) * L: from an edge of the array's partitions to the array, in every mode.

    Row 0 of a group needs elements of row g - 1, which come as many cycles later. 0 in an array without groups.
    """
    return (tensor.group_rows - 1) * tensor.add_stages
