"""Functions of tiles make the tile for their result; an assignment copies into a part of one."""

import nki
import nki.language as nl


@nki.jit
def wrappers(x, y, slope=0.25):
    """A leaky relu of x, the squared distance of x and y, and a tile put together of both."""
    a, b = nl.load(x), nl.load(y)
    leaky = nl.maximum(a, nl.multiply(a, slope))
    distance = nl.square(nl.subtract(a, b))

    columns = x.shape[1]
    mixed = nl.zeros(x.shape, dtype=x.dtype)
    mixed[:, : columns // 3] = nl.negative(a[:, : columns // 3])
    mixed[:, -(columns // 3) :] = nl.relu(nl.minimum(a, b))[:, -(columns // 3) :]
    mixed[:, columns // 2] = 7.0

    outs = []
    for name, result in (("leaky", leaky), ("distance", distance), ("mixed", mixed)):
        out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm, name=name)
        nl.store(out, result)
        outs.append(out)
    return tuple(outs)
