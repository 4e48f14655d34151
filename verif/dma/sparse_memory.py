"""Memory of the bus's whole address range: a dict of pages, each filled at random when somebody first looks at it."""

import numpy as np
from numpy.typing import NDArray

from makalu.spec.axi import PAGE_BYTES

__all__ = ["SparseMemory"]


class SparseMemory:
    """memory[first:end] and memory[first:end] = bytes, memory[byte] = value, as an array of `size` bytes.

    What a page holds at first follows from `seed` and its number, so that copies agree on pages that one of them has
    not touched yet. Slices have both ends and no step.

    Errors: `IndexError` for bytes outside of 0 .. size - 1.
    """

    def __init__(self, size: int, *, seed: int) -> None:
        self.size, self.seed = size, seed
        self.pages: dict[int, NDArray[np.uint8]] = {}

    def _page(self, number: int) -> NDArray[np.uint8]:
        if number not in self.pages:
            noise = np.random.default_rng([self.seed, number])
            self.pages[number] = noise.integers(0, 256, PAGE_BYTES, dtype=np.uint8)
        return self.pages[number]

    def _parts(self, first: int, end: int) -> list[NDArray[np.uint8]]:
        """Views that are first .. end - 1 together."""
        if not 0 <= first <= end <= self.size:
            raise IndexError(f"bytes {first:#x} to {end:#x} must be within 0 to {self.size:#x}")
        parts = []
        while first < end:
            number, place = divmod(first, PAGE_BYTES)
            length = min(end - first, PAGE_BYTES - place)
            parts.append(self._page(number)[place : place + length])
            first += length
        return parts

    def __getitem__(self, where: slice) -> NDArray[np.uint8]:
        return np.concatenate([np.zeros(0, np.uint8), *self._parts(where.start, where.stop)])

    def __setitem__(self, where: slice | int, value: NDArray[np.uint8] | int) -> None:
        first, end = (where.start, where.stop) if isinstance(where, slice) else (where, where + 1)
        values, place = np.broadcast_to(np.asarray(value, np.uint8), end - first), 0
        for part in self._parts(first, end):
            part[:] = values[place : place + len(part)]
            place += len(part)

    def copy(self) -> "SparseMemory":
        out = SparseMemory(self.size, seed=self.seed)
        out.pages = {number: page.copy() for number, page in self.pages.items()}
        return out

    def check_equal(self, other: "SparseMemory") -> None:
        """Errors: `AssertionError` with the first byte that differs."""
        for number in sorted(self.pages.keys() | other.pages.keys()):
            wrong = np.flatnonzero(self._page(number) != other._page(number))
            assert not wrong.size, f"byte {number * PAGE_BYTES + int(wrong[0]):#x} differs, {wrong.size} in its page"
