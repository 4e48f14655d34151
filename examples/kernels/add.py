"""Load, compute, store: the smallest kernel. Rows lie in partitions: `nl.tile_size.pmax` of them at most."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def add(a, b):
    """out = a + b"""
    x = nl.load(a)
    y = nl.load(b)
    total = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=total, data1=x, data2=y, op=nl.add)
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm, name="out")
    nl.store(out, total)
    return out
