"""Views cost nothing: an index, a slice or a step picks elements, and the engines read them where they lie."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def split(x):
    """Even columns minus odd ones, the last quarter plus the first, and each row's last element beside its first."""
    rows, columns = x.shape
    quarter = columns // 4
    tile = nl.load(x)

    pairs = nl.ndarray((rows, columns // 2), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=pairs, data1=tile[:, ::2], data2=tile[:, 1::2], op=nl.subtract)

    ends = nl.ndarray((rows, quarter), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=ends, data1=tile[..., nl.ds(columns - quarter, quarter)], data2=tile[:, :quarter], op=nl.add)

    # an integer index drops its dimension, None makes a new one; the partition always stays
    corners = nl.ndarray((rows, 2), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=corners[:, 0], src=tile[:, -1])
    nisa.tensor_copy(dst=corners[:, 1], src=tile[:, None, 0])

    outs = []
    for name, result in (("pairs", pairs), ("ends", ends), ("corners", corners)):
        out = nl.ndarray(result.shape, dtype=x.dtype, buffer=nl.shared_hbm, name=name)
        nl.store(out, result)
        outs.append(out)
    return tuple(outs)
