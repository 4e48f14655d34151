"""The matmuls of one decode step of a transformer layer, from memory to memory, for operands of any type.

For each of B sequences one new token: projections of its activations, attention to the keys and values that its cache
has, the MLP. Left out: norms, softmax, rotation, the casts between two matmuls and the new token's entry in the cache;
so what a matmul takes is an input, and what it makes is an output, in bf16.
"""

from dataclasses import dataclass

from makalu.examples.gemm.gemm import blocks
from makalu.examples.gemm.mx import GROUP, QUADRANT
from makalu.sw.nki import isa as nisa
from makalu.sw.nki import language as nl
from makalu.sw.nki.tensor import Tensor

__all__ = ["Model", "Operand", "decode"]

_PANEL = 16
"""Tiles of a weight's columns that are loaded together: rows in memory are so long."""


@dataclass(frozen=True)
class Model:
    """A layer whose sizes are multiples of the core's partitions P, so that a quarter-size core runs a quarter of it.

    Grouped-query attention: `group` query heads share keys and values. The MLP is gated: up and gate are one weight.
    """

    partitions: int
    heads: int = 4
    group: int = 4

    @property
    def head(self) -> int:
        """Elements of a head: P."""
        return self.partitions

    @property
    def width(self) -> int:
        """Elements of an activation: 4 P."""
        return self.heads * self.head

    @property
    def kv_heads(self) -> int:
        """Keys and values of a sequence: 1."""
        return self.heads // self.group

    @property
    def hidden(self) -> int:
        """Elements between the halves of the MLP: 8 P."""
        return 2 * self.width

    @property
    def context(self) -> int:
        """Tokens in the cache: 4 P."""
        return 4 * self.partitions

    def weights(self) -> dict[str, tuple[int, int]]:
        """[K, M] by name, in the order of a step; `attention` comes behind the first."""
        kv = 2 * self.kv_heads * self.head
        return {
            "qkv": (self.width, self.width + kv),
            "out": (self.width, self.width),
            "up": (self.width, 2 * self.hidden),
            "down": (self.hidden, self.width),
        }

    def macs(self, batch: int) -> int:
        """Multiply-accumulates of a step."""
        attention = 2 * self.heads * self.head * self.context
        return batch * (attention + sum(k * m for k, m in self.weights().values()))


@dataclass(frozen=True)
class Operand:
    """Rows in memory: elements [K, N]; of MX containers [K / 4, N] and a scale for 8 of them, uint8 [K / 32, N]."""

    data: Tensor
    scale: Tensor | None = None


def decode(
    weights: dict[str, Operand],
    inputs: dict[str, Operand],
    *,
    queries: Operand,
    keys: Operand,
    probabilities: Operand,
    values: Operand,
    group: int,
    rows: int = 1,
) -> dict[str, Tensor]:
    """dst[M, B] = weight[K, M].T @ input[K, B] for each weight; scores and mixtures of S = B * kv_heads caches.

    queries [head, S * group], keys [S * head, context]: scores[S * group, context]
    probabilities [context, S * group], values [S * context, head]: mixed[S * group, head]
    rows : 2: double row; a block of K has two rows in a partition, half a block apart

    Numerics: k in order; a block of at most `pmax` array rows runs through the array, blocks add up in PSUM.
    """
    step = _Step(rows)
    outs = {}
    for name, weight in weights.items():
        outs[name] = step.projected(name, weight, inputs[name])
        if name == "qkv":
            outs["scores"] = step.attended("scores", queries, keys, group)
            outs["mixed"] = step.attended("mixed", probabilities, values, group)
    return outs


class _Step:
    def __init__(self, rows: int) -> None:
        self._rows, self._evicted = rows, 0

    def projected(self, name: str, weight: Operand, moving: Operand) -> Tensor:
        """Weights stay, activations move."""
        m, batch = weight.data.shape[1], moving.data.shape[1]
        out = nl.ndarray((m, batch), nl.bfloat16, buffer=nl.shared_hbm, name=name)
        parts, height = self._parts(weight.data.shape[0]), nl.tile_size.gemm_stationary_fmax
        activations = [self._load(moving, part, slice(0, batch)) for part in parts]
        for panel in blocks(m, _PANEL * height):
            loaded = [self._load(weight, part, panel) for part in parts]
            for lines in blocks(panel.stop - panel.start, height):
                sums = _sums(lines.stop - lines.start, batch)
                for stationary, other in zip(loaded, activations, strict=True):
                    self._multiply(sums, stationary, lines, other, slice(0, batch))
                self._store(out[panel.start + lines.start : panel.start + lines.stop], sums)
        return out

    def attended(self, name: str, queries: Operand, cache: Operand, group: int) -> Tensor:
        """Each stream's few queries stay, its part of the cache moves."""
        (k, count), width = queries.data.shape, cache.data.shape[1]
        out = nl.ndarray((count, width), nl.bfloat16, buffer=nl.shared_hbm, name=name)
        parts = self._parts(k)
        stationary = [self._load(queries, part, slice(0, count)) for part in parts]
        for stream, lines in enumerate(blocks(count, group)):
            sums = _sums(lines.stop - lines.start, width)
            for part, tile in zip(parts, stationary, strict=True):
                rows = slice(stream * k + part.start, stream * k + part.stop)
                self._multiply(sums, tile, lines, self._load(cache, rows, slice(0, width)), slice(0, width))
            self._store(out[lines], sums)
        return out

    def _parts(self, k: int) -> list[slice]:
        return blocks(k, self._rows * nl.tile_size.pmax)

    def _load(self, source: Operand, part: slice, columns: slice) -> Operand:
        """Rows of memory in a tile; of MX the scales first, four partitions of each quadrant."""
        count, width = part.stop - part.start, columns.stop - columns.start
        data = source.data
        if self._rows > 1:
            height = count // self._rows
            tile = nl.ndarray((height, self._rows, width), data.dtype, name="tile")
            for row in range(self._rows):
                first = part.start + row * height
                nisa.dma_copy(tile[:, row], data[first : first + height, columns])
            return Operand(tile)
        tile, scales = nl.ndarray((count, width), data.dtype, name="tile"), None
        if source.scale is not None:
            scales = nl.ndarray((count, width), source.scale.dtype, name="scales")
            whole = min(QUADRANT, nl.tile_size.pmax)
            for place in range(0, count, whole):
                first = (part.start + place) // GROUP
                given = source.scale[first : first + whole // GROUP, columns]
                nisa.dma_copy(scales[place : place + whole // GROUP], given)
        nisa.dma_copy(tile, data[part, columns])
        return Operand(tile, scales)

    def _multiply(self, sums: Tensor, left: Operand, lines: slice, right: Operand, columns: slice) -> None:
        stationary, moving = left.data[..., lines], right.data[..., columns]
        if left.scale is not None and right.scale is not None:
            nisa.nc_matmul_mx(sums, stationary, moving, left.scale[:, lines], right.scale[:, columns])
        else:
            mode = nisa.matmul_perf_mode.double_row if self._rows > 1 else nisa.matmul_perf_mode.none
            nisa.nc_matmul(sums, stationary, moving, perf_mode=mode)

    def _store(self, place: Tensor, sums: Tensor) -> None:
        """In turn by two engines."""
        out = nl.ndarray(sums.shape, place.dtype, name="rounded")
        nisa.tensor_copy(out, sums, engine=nisa.scalar_engine if self._evicted % 2 else nisa.vector_engine)
        nisa.dma_copy(place, out)
        self._evicted += 1


def _sums(height: int, width: int) -> Tensor:
    return nl.ndarray((height, width), nl.float32, buffer=nl.psum, name="sums")
