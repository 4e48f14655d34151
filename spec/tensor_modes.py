"""What a PE does with a moving element and its weight: modes of the array, a row each.

A mode is a field of load_stationary and matmul, and a matmul has that of the load before it. `rows` contraction rows
lie in one partition, one behind the other in dimension 3 of src0: element j of a pair is in row j. dst has no such.
Of MX the elements of a partition lie in one container, and src1 has their scales (`scales.py`). A sparse tile has one
row of weights and several of moving elements, among which tags choose (`sparsity.py`); its load is `load_sparse`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from .cfp8 import OFFSETTABLE
from .formats import SINGLES, Format
from .pairs import PAIRABLE
from .quads import QUAD_ELEMENTS, QUADS
from .sparsity import SPARSE

__all__ = ["MODES", "Mode", "TensorMode"]


class Mode(IntEnum):
    """How many products a PE adds in a cycle, and of what."""

    SINGLE = 0
    """One, of operands of any type."""
    DOUBLE_ROW = 1
    """Two, of short elements: K = 2 x rows."""
    MX = 2
    """Four, of short elements whose groups have scales: K = 4 x rows."""
    SPARSE = 3
    """One, with the moving element that the weight's tag says: K = ratio x rows, at most 4 x."""


@dataclass(frozen=True)
class TensorMode:
    """One row: what a mode multiplies. MACs a PE and cycle are `products`."""

    mode: Mode
    formats: tuple[Format, ...]
    """Types of both sides."""
    rows: int = 1
    """Contraction rows of a partition: words that are read of one place."""
    container: int = 1
    """Elements of a row that lie in one container."""
    parts: bool = False
    """An operand may be a part of an element (`tensor_types.py`)."""
    movable: tuple[Format, ...] = ()
    """Of `formats`, those whose exponent bias may be moved (`cfp8.py`)."""
    scaled: bool = False
    """src1 has scales (`scales.py`), and so partitions come by quadrants."""
    tagged: bool = False
    """Weights have tags (`sparsity.py`), and so partitions come by groups."""

    @property
    def products(self) -> int:
        """Of a PE and cycle."""
        return self.rows * self.container


MODES: Mapping[Mode, TensorMode] = {
    row.mode: row
    for row in (
        TensorMode(Mode.SINGLE, SINGLES, parts=True, movable=OFFSETTABLE),
        TensorMode(Mode.DOUBLE_ROW, PAIRABLE, rows=2),
        TensorMode(Mode.MX, QUADS, container=QUAD_ELEMENTS, scaled=True),
        TensorMode(Mode.SPARSE, SPARSE, tagged=True),
    )
}
