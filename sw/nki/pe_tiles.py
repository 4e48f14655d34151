"""Tiles of the PE array: what `tile_position` and `tile_size` of a matmul may be, and where in PSUM it writes."""

from dataclasses import dataclass

from makalu.spec.config import CoreConfig
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.scales import quadrant

from .core_rules import rule_of
from .errors import KernelError
from .recording import current
from .tensor import Tensor

__all__ = ["PeTile", "check_columns", "pe_tile"]

_NOT_BOTH = "trn1"
"""The generation whose tiles are not the smallest in rows and columns at once."""


@dataclass(frozen=True)
class PeTile:
    """PE rows, which are SBUF partitions of the operands, and PE columns, which are PSUM partitions of dst."""

    row: int
    column: int
    rows: int
    columns: int

    @classmethod
    def whole(cls, config: CoreConfig) -> "PeTile":
        """All of the array."""
        return cls(0, 0, config.tensor.rows, config.tensor.columns)

    def holds(self, tensor: Tensor) -> bool:
        """Its partitions are rows of the tile."""
        return self.row <= tensor.partition and tensor.partition + tensor.shape[0] <= self.row + self.rows


def pe_tile(position: tuple[int, ...], size: tuple[int, ...], *, call: str, mx: bool = False) -> PeTile | None:
    """None where neither is given. `call`: whose arguments they are; `mx`: rows come by quadrants, all columns.

    Errors: one without the other, sizes that the array is not cut into, a place that is no multiple of its size.
    """
    if not position and not size:
        return None
    config = current().config
    if not position or not size:
        given, other = ("tile_position", "tile_size") if position else ("tile_size", "tile_position")
        raise KernelError(
            f"{given}={position or size} without {other}; a tile of the array has both (NKI: {call}, {given})"
        )
    for name, value in (("tile_position", position), ("tile_size", size)):
        if len(value) != len(("row", "column")):
            raise KernelError(f"{name}={value} must be two numbers, of rows and columns (NKI: {call}, {name})")
    legal = _sizes(config, mx)
    for axis, each, some in zip(("row", "column"), size, legal, strict=True):
        if each not in some:
            raise KernelError(
                f"tile_size={size}: the {axis} size must be one of {list(some)} on preset {config.name}, not {each}"
                f" (NKI: {call}, tile_size)"
            )
    for axis, first, each, some in zip(("row", "column"), position, size, legal, strict=True):
        if first % each or not 0 <= first < some[-1]:
            raise KernelError(
                f"tile_position={position}: the first {axis} must be a multiple of {each}, the {axis} size, below"
                f" {some[-1]}, not {first} (NKI: {call}, tile_position)"
            )
    both = all(len(some) > 1 and each == some[0] for each, some in zip(size, legal, strict=True))
    if both and config.product.generation == _NOT_BOTH:
        raise KernelError(
            f"tile_size={size}: on {_NOT_BOTH} row and column size cannot both be the smallest (NKI: {call}, tile_size)"
        )
    return PeTile(*position, *size)


def _sizes(config: CoreConfig, mx: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of rows and columns, rising: 32, 64 and 128, or a quarter, half and all of a smaller array that can be so cut."""
    rows, columns = config.tensor.rows, config.tensor.columns

    def cut(whole: int, least: int) -> tuple[int, ...]:
        return tuple(each for each in (whole // 4, whole // 2, whole) if each >= least)

    return cut(rows, quadrant(config) if mx else 1), cut(columns, columns if mx else config.tensor.column_tile)


def check_columns(dst: Tensor, tile: PeTile | None = None) -> None:
    """Errors: dst begins at a partition that no column tile writes from, or another one than `tile`; a row repeats."""
    step = current().config.tensor.column_tile
    if dst.steps[0] != 1 and dst.shape[0] > 1:
        raise KernelError(f"dst {dst} repeats a partition; each PE column writes to one of its own")
    rule = rule_of(Opcode.MATMUL, "dst", OperandRule.COLUMN_TILE)
    if dst.partition % step:
        raise KernelError(
            f"dst {dst} begins at partition {dst.partition}, which must be a multiple of {step}: matmuls, and fills"
            f" of PSUM, which are such, write from their first PE column on ({rule})"
        )
    if tile is not None and dst.partition != tile.column:
        raise KernelError(
            f"dst {dst} begins at partition {dst.partition}, a tile at column {tile.column} writes from partition"
            f" {tile.column} on ({rule})"
        )
