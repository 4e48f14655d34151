"""Numbers that the kernel brings along: arrays, the identity, and tiles of one value. Each is in memory once."""

import nki
import nki.isa as nisa
import nki.language as nl
import numpy as np


@nki.jit
def constants(x):
    """x @ (identity + a ramp): the second factor is made while the kernel is traced. x is square, bf16."""
    n = x.shape[0]
    ramp = np.add.outer(np.arange(n), np.arange(n)) % 7 - 3.0
    factor = nl.ndarray((n, n), dtype=nl.bfloat16, buffer=nl.sbuf)
    nisa.dma_copy(dst=factor, src=nl.shared_constant(ramp.astype(np.float32)))
    eye = nl.shared_identity_matrix(n, dtype=nl.bfloat16)
    nisa.tensor_tensor(dst=factor, data1=factor, data2=eye, op=nl.add)

    half = nl.full((n, n), 0.5, dtype=nl.float32, buffer=nl.sbuf)
    result = nl.add(nl.matmul(nl.load(x), factor), half)
    out = nl.ndarray((n, n), dtype=nl.float32, buffer=nl.shared_hbm, name="out")
    nl.store(out, result)
    return out
