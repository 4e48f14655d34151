"""Views cut along their dimensions into what one tile, or one PSUM bank, holds."""

from collections.abc import Iterator, Sequence

from .tensor import Tensor

__all__ = ["in_rows_of", "pieces"]

_BURST = 512
"""Bytes a row of a contiguous copy should have at least."""


def pieces(views: Sequence[Tensor], rows: int, elements: int) -> Iterator[list[Tensor]]:
    """Pieces of views in memory of one shape, cut alike: at most `rows` times `elements` in two dimensions or more."""
    first = views[0]
    if first.ndim == 1:
        views = [view.reshape((1, view.size)) for view in views]
    elif first.shape[0] > rows and first.size // first.shape[0] * 2 <= elements:  # short rows: many in a partition
        many = first.shape[0] // rows
        yield from pieces([_split(view[: rows * many], many) for view in views], rows, elements)
        if first.shape[0] % rows:
            yield from pieces([view[rows * many :] for view in views], rows, elements)
        return
    elif first.shape[0] > rows:
        for at in range(0, first.shape[0], rows):
            yield from pieces([view[at : min(at + rows, first.shape[0])] for view in views], rows, elements)
        return
    first = views[0]
    if first.size // first.shape[0] <= elements:
        yield list(views)
        return
    axis = next(axis for axis in range(1, first.ndim) if first.shape[axis] > 1)
    step = max(1, elements // (first.size // (first.shape[0] * first.shape[axis])))
    for at in range(0, first.shape[axis], step):
        keys = (*[slice(None)] * axis, slice(at, min(at + step, first.shape[axis])))
        yield from pieces([view[keys] for view in views], rows, elements)


def _split(view: Tensor, inner: int) -> Tensor:
    """The first dimension as two."""
    size, step = view.dims[0]
    return view.with_dims([(size // inner, step * inner), (inner, step), *view.dims[1:]])


def in_rows_of(views: Sequence[Tensor], rows: int) -> list[list[Tensor]]:
    """Contiguous views of one size, each as [rows, n] and a rest of one row, so that many partitions share the work."""
    size, item = views[0].size, min(view.item for view in views)
    rows = max(1, min(rows, size * item // _BURST))
    whole = size // rows * rows
    flat = [view.reshape((size,)) for view in views]
    out = [[view[:whole].reshape((rows, whole // rows)) for view in flat]]
    return [*out, [view[whole:] for view in flat]] if whole < size else out
