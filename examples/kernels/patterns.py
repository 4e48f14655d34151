"""Views that are no slices: `.ap` walks by strides, `.view` reads bytes as another type, `.rearrange` reorders."""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def patterns(x, height=4):
    """Sums of three neighbours, x cut to bf16, and each row as a `height`-row picture turned."""
    rows, columns = x.shape
    tile = nl.load(x)

    # [[stride, count], ...] in elements: a partition is a row of the tile; the windows overlap
    windows = [tile.ap([[columns, rows], [1, columns - 2]], offset=first) for first in range(3)]
    sums = nl.ndarray((rows, columns - 2), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=sums, data1=windows[0], data2=windows[1], op=nl.add)
    nisa.tensor_tensor(dst=sums, data1=sums, data2=windows[2], op=nl.add)

    # the upper half of an fp32 number is a bf16 number: the same, rounded towards zero
    upper = tile.view(nl.bfloat16)[:, 1::2]

    turned = tile.rearrange(("p", ("h", "w")), ("p", "w", "h"), {"h": height})

    outs = {}
    for name, result in (("sums", sums), ("cut", upper), ("turned", turned)):
        outs[name] = nl.ndarray(result.shape, dtype=result.dtype, buffer=nl.shared_hbm)
        nisa.dma_copy(dst=outs[name], src=result)
    return outs
