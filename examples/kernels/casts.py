"""A copy between two element types casts on its way: to fp32 first, then rounded once to the destination's type."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def casts(x):
    """x as bf16 by way of SBUF, in memory directly, and of those the fp32 numbers again."""
    tile = nl.ndarray(x.shape, dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    loaded = nl.ndarray(x.shape, dtype=nl.bfloat16, buffer=nl.shared_hbm, name="loaded")
    nisa.dma_copy(dst=loaded, src=tile)
    direct = nl.ndarray(x.shape, dtype=nl.bfloat16, buffer=nl.shared_hbm, name="direct")
    nisa.dma_copy(dst=direct, src=x)
    wide = nl.ndarray(x.shape, dtype=nl.float32, buffer=nl.shared_hbm, name="wide")
    nl.store(wide, nl.load(x, dtype=nl.bfloat16))
    return loaded, direct, wide
