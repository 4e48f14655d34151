"""How busy each engine was, bin by bin of a run: a picture of any length in a fixed number of values."""

from collections.abc import Sequence

import numpy as np

from makalu.spec.engines import Channel

from .rows import Row

__all__ = ["BINS", "activity"]

BINS = 400


def activity(rows: Sequence[Row], *, start: int, cycles: int) -> tuple[int, dict[str, list[float]]]:
    """(cycles of a bin, the busy share of each bin by channel); the last bin may be shorter than the others."""
    width = max(1, -(-cycles // BINS))
    count = -(-cycles // width)
    edges = np.minimum(np.arange(count + 1) * width, cycles) + start
    out = {}
    for channel in Channel:
        own = [row for row in rows if row.channel is channel]
        if own:
            begins = np.array([row.begin + 1 for row in own])
            ends = np.array([row.finish + 1 for row in own])
            # busy cycles before each edge: all intervals that ended, and the begun part of one; they never overlap
            before = np.array([_before(edge, begins, ends) for edge in edges])
            out[channel.name.lower()] = (np.diff(before) / np.diff(edges)).round(4).tolist()
    return width, out


def _before(edge: int, begins: np.ndarray, ends: np.ndarray) -> int:
    return int(np.clip(edge - begins, 0, ends - begins).sum())
