"""Three ways to swap partitions and columns: the array, the wrapper of it, and the DMA.

The array takes a matmul with the identity; the DMA moves every element by itself, which is far slower.
"""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def transpose(x):
    """x.T three times, bf16."""
    rows, columns = x.shape
    tile = nl.load(x)

    turned = nl.ndarray((columns, rows), dtype=x.dtype, buffer=nl.psum)
    nisa.nc_transpose(dst=turned, data=tile)

    outs = []
    for name in ("array", "wrapper", "dma"):
        outs.append(nl.ndarray((columns, rows), dtype=x.dtype, buffer=nl.shared_hbm, name=name))
    nl.store(outs[0], turned)
    nl.store(outs[1], nl.transpose(tile))
    nl.store(outs[2], nl.load_transpose2d(x))
    return outs
