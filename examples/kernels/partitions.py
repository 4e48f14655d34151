"""Vector and Scalar work within a partition. What lies in other partitions is brought over through memory.

It happens by itself, costs a store and a load, and shows in the report: a row that repeats is better loaded that way.
"""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def partitions(x, row):
    """x plus one row for all, the same loaded once into every partition, and the upper half of x plus the lower."""
    rows, columns = x.shape
    half = rows // 2
    tile = nl.load(x)

    shifted = nl.add(tile, nl.broadcast_to(nl.load(row), (rows, columns)))

    repeated = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=repeated, src=row.broadcast(0, rows))
    nisa.tensor_tensor(dst=repeated, data1=repeated, data2=tile, op=nl.add)

    folded = nl.ndarray((half, columns), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=folded, data1=tile[:half], data2=tile[half : 2 * half], op=nl.add)

    outs = {}
    for name, result in (("shifted", shifted), ("repeated", repeated), ("folded", folded)):
        outs[name] = nl.ndarray(result.shape, dtype=x.dtype, buffer=nl.shared_hbm)
        nl.store(outs[name], result)
    return outs
