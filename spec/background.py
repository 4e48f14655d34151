"""Background transposes: a second chain in each column, of bits, which is busy beside matmuls.

`transpose` loads a tile into the shadow registers as a load does, each element as the number that carries 16 of its
bits (`tensor_types.py`), and no matmul swaps it in. Instead a *turn* goes over the array like the column of a swap
would: from the edges to the right, a row L cycles after the one above. The PE that it meets copies the 16 bits
of its shadow register into its column's chain of bits, which has L - 1 registers a row where sums have L. So element k
of a column, L * k cycles later on its way than element 0, leaves the array one cycle behind element k - 1:

    dst[m, k] = 16 bits of src0[k, m],   an element of each column a cycle, K cycles a tile.

Active registers, moving stream and sums are as they would be without it; what both use are loads, port B and, in PSUM,
a write port a bank. Two rules keep the order of the program: a transpose is accepted when no matmul before it has a
column or sum on its way to its bank; the columns of a matmul behind it wait until nothing of it is on its way to
theirs.

Letters as in `latency.py`: R rows, C columns, L add_stages, D deskew; h, the cycle of the turn at row 0's edge.
"""

from typing import TYPE_CHECKING

from .chain import STATIONARY_BIAS
from .formats import CARRIED
from .latency import FIRST_COLUMN
from .sparsity import deskew
from .tensor_types import CARRIED_EXPONENT, CARRIED_PLACES

if TYPE_CHECKING:
    from .config import CoreConfig

__all__ = ["BACKGROUND_BITS", "EXPONENT_LEAD", "TURN", "background_commit", "background_delay"]

BACKGROUND_BITS = CARRIED.bits
"""Of an element on the chain, beside which rides a bit that says that there is one."""
EXPONENT_LEAD = (CARRIED_EXPONENT + STATIONARY_BIAS) % (1 << BACKGROUND_BITS - 1 - CARRIED_PLACES)
"""How far the low bits of a stationary operand's exponent, which go on the chain, are ahead of the bits it carries."""
TURN = FIRST_COLUMN
"""h - a: from a transpose's acceptance to its turn, as early as a swap may come behind its load."""


def background_delay(config: "CoreConfig") -> int:
    """D + R*(L-1) - 1: from h + k to the wave of element k at PSUM slice 0, a cycle before the element."""
    tensor = config.tensor
    return deskew(tensor) + tensor.rows * (tensor.add_stages - 1) - 1


def background_commit(config: "CoreConfig") -> int:
    """D + R*(L-1) + C - 1: from h + k to the commit of element k in the last column."""
    return background_delay(config) + 1 + config.tensor.columns - 1
