"""What an instruction touches: exactly the bytes of an access, and the granules of a memory that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Granules", "Region", "granules", "region_of"]


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of partitions first..last-1 of a memory; memory behind the DMA is one partition.

    The bytes low + sum of i_d * stride_d + 0..run-1 in each. `region_of` makes the canonical form.
    """

    memory: str
    """`sbuf`, `psum`, or the name of a tensor in memory, which is then neither of these two."""
    first: int
    last: int
    low: int
    dims: tuple[tuple[int, int], ...]
    """(count above 1, stride in bytes above `run`), outermost first: strides fall."""
    run: int
    """Contiguous bytes."""

    @property
    def high(self) -> int:
        """Behind the last byte."""
        return self.low + self.run + sum((count - 1) * stride for count, stride in self.dims)


def region_of(
    memory: str, dims: Sequence[tuple[int, int]], *, low: int, run: int, first: int = 0, last: int = 1
) -> Region:
    """Region of an access pattern.

    Parameters
    ----------
    memory, first, last : as in `Region`.
    dims : (count, stride in bytes), in any order; strides may be negative or 0, dimensions may overlap.
    low : first byte of the pattern's first element, which need not be its lowest.
    run : bytes an element.

    Errors: `ValueError` for a region without bytes or partitions, or before byte 0.
    """
    kept = []
    for count, stride in dims:
        low += min(0, (count - 1) * stride)
        if count > 1 and stride:
            kept.append((count, abs(stride)))
    if low < 0 or run < 1 or not 0 <= first < last or any(count < 1 for count, _ in dims):
        raise ValueError(f"no region of {memory}: bytes from {low}, {run} an element, partitions {first} to {last}")
    out: list[tuple[int, int]] = []  # innermost first
    for count, stride in sorted(kept, key=lambda dim: dim[1]):
        if not out and stride <= run:
            run += (count - 1) * stride
        elif out and stride == out[-1][0] * out[-1][1]:
            out[-1] = out[-1][0] * count, out[-1][1]
        else:
            out.append((count, stride))
    return Region(memory, first, last, low, tuple(reversed(out)), run)


@dataclass(frozen=True, slots=True)
class Granules:
    """Numbers of granules: start + sum of i_d * strides[d], i_d below sizes[d]; the innermost stride is 1."""

    start: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def stop(self) -> int:
        """Behind the last one."""
        return self.start + 1 + sum((size - 1) * s for size, s in zip(self.sizes, self.strides, strict=True))


def granules(region: Region, granule: int) -> Granules:
    """The granules (of `granule` bytes) that hold bytes of `region`, in each of its partitions.

    Exact where all strides are multiples of `granule` or below it; else from the first to the last granule of what
    lies inside of the outermost dimension that is neither, so never too few.
    """
    dims, run = region.dims, region.run
    for d in range(len(dims)):
        if dims[d][1] % granule:
            run += sum((count - 1) * stride for count, stride in dims[d:])
            dims = dims[:d]
            break
    start = region.low // granule
    inner = (region.low + run - 1) // granule - start + 1
    return Granules(start, (*(count for count, _ in dims), inner), (*(stride // granule for _, stride in dims), 1))
