"""A helper that kernels of this package share: `from .tiling import tiles`."""

import nki.language as nl


def tiles(size, most):
    """Slices of at most `most` elements that cover `size` of them; the last one is what is left."""
    return [slice(first, min(first + most, size)) for first in nl.affine_range(0, size, most)]
