"""Arguments with names of their own: a dataclass, and NKI's `NKIObject`, whose fields are its annotations.

Arrays inside of them become tensors too. A kernel may call another kernel and any function of Python.
"""

from dataclasses import dataclass
from typing import Any

import nki
import nki.isa as nisa
import nki.language as nl


@dataclass
class Scale:
    """What is done to every element."""

    factor: float = 2.0
    offset: float = -0.5


class Layer(nl.NKIObject):
    """`column`, if there is one, has a bias a partition."""

    scale: Scale = Scale()
    column: Any = None
    rectified: bool = True


def affine(tile, layer):
    """tile * factor + offset (+ column), where it lies."""
    offset = {"op1": nl.add, "operand1": layer.scale.offset}
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=layer.scale.factor, **offset)
    if layer.column is not None:
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.add, operand0=nl.load(layer.column))


@nki.jit
def apply(x, layer):
    """One layer on one tensor in memory."""
    tile = nl.load(x)
    affine(tile, layer)
    if layer.rectified:
        nisa.activation(dst=tile, op=nl.relu, data=tile)
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nl.store(out, tile)
    return out


@nki.jit
def objects(x, layer=Layer()):  # noqa: B008, only read
    """Two layers, one after the other; the first one's result comes out too."""
    first = apply(x, layer)
    return {"first": first, "second": apply(first, Layer(scale=Scale(factor=0.5, offset=1.0), rectified=False))}
