"""A matmul as load_stationary and matmul: the rules of its operands, and the steps that bring them into place."""

from math import prod

from makalu.spec.formats import ACCUMULATOR
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.quads import QUADS
from makalu.spec.scales import quadrant
from makalu.spec.tensor_modes import MODES, Mode
from makalu.spec.tensor_types import MIXING, TRANSPOSES, Part, mixable, passes

from .arguments import checked_tensor
from .concurrent import Small, record_matmul
from .core_rules import named, rule_of, types_of
from .double_row import check_rows, placed_rows
from .errors import KernelError, NotBuiltError
from .fill import halves, materialised
from .mx import check_mx, placed_data, placed_scales, record_mx
from .pe_tiles import PeTile, check_columns
from .recording import current
from .sparse import check_sparse, placed_sparse, record_sparse
from .staging import aligned_stationary, in_rows, read, relocated
from .storage import Buffer, Written
from .tensor import Tensor
from .views import extent

__all__ = ["inside_a_bank", "matmul"]

_TUTORIAL = "NKI: nisa.nc_matmul, tile size"
_LOAD, _MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
_ONE_BANK = rule_of(_MATMUL, "dst", OperandRule.ONE_BANK)


def matmul(
    dst: Tensor,
    stationary: Tensor,
    moving: Tensor,
    *,
    accumulate: bool | None,
    transpose: bool,
    whole: tuple[bool, bool] = (False, False),
    double: bool = False,
    scales: tuple[Tensor, Tensor] | None = None,
    tags: Tensor | None = None,
    tile: PeTile | None = None,
    offsets: tuple[int, ...] = (0, 0),
) -> None:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N]; `transpose`: moving is the identity, so no sum rounds;
    where the core's sums carry bits and dst has the type of stationary, every bit arrives, and nothing is added.

    `whole`: the elements of stationary and moving are known to have no lower part (0 and 1 have none). `double`: of
    stationary[K, 2, M] and moving[K, 2, N], the sum over both rows too. `scales`: of MX tiles.
    `tags`: of the weights of a sparse tile, for moving[K, ratio, N]. `tile`: part of the array; None: its rows are the
    operands' partitions, its columns those of dst. `offsets`: of the exponents of both sides (`check_offsets`).
    """
    config = current().config
    mode = MODES[Mode.MX if scales is not None else Mode.DOUBLE_ROW if double else Mode.SINGLE]
    tile_rule = rule_of(_LOAD, "src0", OperandRule.TILE)
    checked_tensor("dst", dst, Buffer.PSUM)
    for name, tensor, opcode in (("stationary", stationary, _LOAD), ("moving", moving, _MATMUL)):
        checked_tensor(name, tensor, Buffer.SBUF)
        if tensor.dtype not in types_of(opcode, "src0") or (tensor.dtype in QUADS and scales is None):
            raise NotBuiltError(
                f"a matmul of {tensor.dtype.name}, {name} {tensor}; the array multiplies {named(opcode, 'src0')}"
                f" ({rule_of(opcode, 'src0', OperandRule.KIND)})"
            )
    if double:
        check_rows(stationary, moving)
    if scales is not None:
        check_mx(stationary, moving, scales)
    if tags is not None:
        check_sparse(stationary, moving, tags)
        mode, tile_rule = MODES[Mode.SPARSE], rule_of(Opcode.LOAD_SPARSE, "src0", OperandRule.ROW_TILE)
    if not mixable(stationary.dtype, moving.dtype):
        raise KernelError(
            f"a matmul of {stationary.dtype.name} and {moving.dtype.name}, stationary {stationary}, moving {moving};"
            f" {MIXING} (NKI: nisa.nc_matmul, data types)"
        )
    exact = transpose and config.tensor.carries and dst.dtype == stationary.dtype
    if exact and accumulate:
        raise KernelError(f"a transpose moves bits, which cannot be added to dst {dst}; accumulate must not be True")
    sums = config.tensor.sums
    rounded = dst.dtype in sums and dst.dtype == stationary.dtype
    if transpose and not exact and not rounded and dst.item != ACCUMULATOR.bytes:
        raise KernelError(
            f"a transpose of {stationary.dtype.name} into {dst.dtype.name}, dst {dst}; the types must be equal"
            " (NKI: nisa.nc_matmul, is_transpose)"
        )
    if dst.dtype not in sums and not transpose:
        raise NotBuiltError(
            f"a matmul into {dst.dtype.name}, dst {dst}; PSUM of preset {config.name} sums in"
            f" {' or '.join(form.name for form in sums)} ({rule_of(_MATMUL, 'dst', OperandRule.KIND)})"
        )
    rows, each = stationary.shape[0], mode.rows
    deep = moving.shape[1] if mode.tagged else each
    columns, count = stationary.size // rows // each, moving.size // moving.shape[0] // deep
    shapes = f"stationary {list(stationary.shape)}, moving {list(moving.shape)}, dst {list(dst.shape)}"
    if moving.shape[0] != rows:
        raise KernelError(f"stationary and moving have {rows} and {moving.shape[0]} partitions (K); {shapes}")
    if columns > config.tensor.columns:
        raise KernelError(
            f"stationary has {columns} columns, at most {config.tensor.columns} are legal ({_TUTORIAL};"
            f" {tile_rule}); {shapes}"
        )
    if count > config.psum.bank_elems:
        raise KernelError(
            f"moving has {count} columns, at most {config.psum.bank_elems} are legal ({_TUTORIAL}; {_ONE_BANK});"
            f" {shapes}"
        )
    if (dst.shape[0], dst.size // dst.shape[0]) != (columns, count):
        raise KernelError(f"dst must hold [{columns}, {count}] elements; {shapes}")
    if tile is not None and (rows > tile.rows or columns > tile.columns):
        raise KernelError(
            f"stationary has {rows} partitions (K) and {columns} columns (M), the tile of the array {tile.rows} rows"
            f" and {tile.columns} columns ({_TUTORIAL}); {shapes}"
        )
    check_columns(dst, tile)
    inside_a_bank(dst)
    if tags is not None:
        stationary, moving, tags = placed_sparse(stationary, moving, tags)
    else:
        moving = _in_tile(moving, tile or PeTile.whole(config), 1 if scales is None else quadrant(config))
        moving = moving if scales is None else placed_data(moving)
        stationary = in_rows(stationary)
    if stationary.partition != moving.partition:
        stationary = relocated(stationary, moving.partition)
    if scales is not None:
        stationary = placed_data(stationary)
        scales = placed_scales(scales[0], stationary), placed_scales(scales[1], moving)
    elif double:
        stationary, moving = placed_rows(stationary, stationary=True), placed_rows(moving, stationary=False)
    elif tags is None:
        stationary = aligned_stationary(stationary)
    adds = not exact and _accumulates(dst, accumulate)
    if not adds:
        dst.check_distinct("dst")
    read("stationary", stationary)
    read("moving", moving)
    if exact:
        if dst.size == prod(dst.storage.shape):
            dst.storage.zeros = None  # none of them is left
        _move(dst, stationary, moving)
        dst.storage.mark(dst, Written.VALUE)
        return
    if scales is not None:
        record_mx(dst, (stationary, moving), scales, adds)
    elif tags is not None:
        record_sparse(dst, stationary, moving, tags, adds)
    elif double:
        _record_rows(dst, stationary, moving, adds)
    else:
        splits = [
            t.dtype.splits and not known for t, known in ((stationary, whole[0]), (moving, whole[1] or transpose))
        ]
        steps = tuple((int(part), int(other)) for part, other in passes(*splits))
        record_matmul(Small(dst, stationary, moving, adds, steps, offsets), alone=tile is None or transpose)
    dst.storage.mark(dst, Written.MATMUL)


def _move(dst: Tensor, stationary: Tensor, moving: Tensor) -> None:
    """A matmul for every 16 bits of an element: sums carry the bits of stationary to halves of PSUM's words."""
    for part, piece in zip(TRANSPOSES, halves(dst), strict=False):
        current().append(_LOAD, {"stationary": stationary}, {"part": int(part), "column": dst.partition})
        current().append(_MATMUL, {"dst": piece, "moving": moving}, {"part": int(Part.UPPER), "accumulate": 0})


def _record_rows(dst: Tensor, stationary: Tensor, moving: Tensor, adds: bool) -> None:
    numbers = {"part": int(Part.UPPER), "mode": int(Mode.DOUBLE_ROW)}
    current().append(_LOAD, {"stationary": stationary}, numbers | {"column": dst.partition})
    current().append(_MATMUL, {"dst": dst, "moving": moving}, numbers | {"accumulate": int(adds)})


def _in_tile(tensor: Tensor, tile: PeTile, step: int) -> Tensor:
    """In rows of a tile of the array, from a multiple of `step` on; copied to its first ones where it is not."""
    tensor = in_rows(tensor)
    return tensor if tile.holds(tensor) and tensor.partition % step == 0 else relocated(tensor, tile.row)


def inside_a_bank(dst: Tensor) -> None:
    """A tile of more than a bank starts on one; a smaller one lies in one."""
    bank = current().config.psum.bank_bytes
    low, high = extent(dst.free)
    first, last = dst.start + low, dst.start + high + dst.item - 1
    if dst.storage.row_bytes > bank and first // bank != last // bank:
        raise KernelError(
            f"dst {dst} reaches from byte {first} to {last} of its partition and crosses a PSUM bank of {bank} bytes"
            f" ({_TUTORIAL}; {_ONE_BANK})"
        )


def _accumulates(dst: Tensor, accumulate: bool | None) -> bool:
    state = dst.storage.state()
    if state == Written.MATMUL or (state == Written.NEVER and not accumulate):
        return state == Written.MATMUL and accumulate is not False
    marks = dst.storage.marks(dst)
    matmuls = int((marks == Written.MATMUL).sum())
    if accumulate is None:
        if 0 < matmuls < marks.size:
            each = dst.item // dst.storage.least
            share = f"{matmuls // each} of {marks.size // each}"
            raise KernelError(f"a matmul wrote {share} elements of dst {dst} before; say accumulate=")
        if not matmuls and marks.any() and dst.storage.zeros is None:
            current().warn(f"nisa.nc_matmul overwrites dst {dst}, which was set to a value; accumulate=True would add")
        return matmuls > 0
    if accumulate and matmuls < marks.size:
        if (marks == Written.NEVER).any():
            raise KernelError(f"accumulate=True onto dst {dst}, of which a part was never written")
        materialised(dst)
        current().warn(
            f"nisa.nc_matmul adds to dst {dst}, which no matmul wrote: undefined on trn1 and trn2 (NKI: nisa.nc_matmul,"
            " accumulation mode); here it adds to the value"
        )
    return bool(accumulate)
