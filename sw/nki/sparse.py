"""A matmul of a sparse tile: the weights that are kept [K, M], their tags, and moving elements [K, ratio, N]."""

from math import prod

from makalu.spec.isa import FIELDS, Opcode, OperandRule
from makalu.spec.sparsity import PACKED_TAGS, RATIO_LIMIT, SPARSE, TAGS
from makalu.spec.tensor_modes import Mode

from .arguments import checked_tensor
from .core_rules import rule_of
from .double_row import row
from .errors import KernelError, NotBuiltError
from .recording import current
from .staging import aligned, aligned_stationary, copied, fresh, in_rows, read, record, relocated
from .storage import Buffer
from .tensor import Tensor

__all__ = ["SPARSE_CALL", "check_sparse", "placed_sparse", "record_sparse"]

SPARSE_CALL = "docs/decisions/0027-structured-sparsity.md"
_LOAD, _MATMUL = Opcode.LOAD_SPARSE, Opcode.MATMUL


def check_sparse(stationary: Tensor, moving: Tensor, tags: Tensor) -> None:
    """Errors: the core lacks tags, a type that the mode has not, sizes that are no whole groups, tags of another shape.

    Does not: look at what the tags are; the core does, and stops the queue (`ErrorCode.TAG`).
    """
    config = current().config
    if Mode.SPARSE not in config.tensor.modes:
        raise NotBuiltError(f"nisa.nc_matmul_sparse on preset {config.name}, whose weights have no tags")
    for name, tensor, opcode, rule in (
        ("stationary", stationary, _LOAD, OperandRule.KIND),
        ("moving", moving, _MATMUL, OperandRule.OF_MODE),
    ):
        if tensor.dtype not in SPARSE:
            types = ", ".join(form.name for form in SPARSE if form in config.tensor.operands)
            raise KernelError(f"{name} {tensor} must be of {types} ({rule_of(opcode, 'src0', rule)}; {SPARSE_CALL})")
    if moving.ndim < 3 or not 1 <= moving.shape[1] <= RATIO_LIMIT:
        raise KernelError(
            f"moving {moving} must be [K, ratio, ...], ratio from 1 to {RATIO_LIMIT}"
            f" ({rule_of(_MATMUL, 'src0', OperandRule.SAME_COLUMNS)}; {SPARSE_CALL})"
        )
    rows, columns, whole = stationary.shape[0], stationary.size // stationary.shape[0], config.tensor.group_rows
    if rows % whole:
        raise KernelError(
            f"stationary {stationary} has {rows} partitions (K), which must be a multiple of {whole}"
            f" ({rule_of(_LOAD, 'src0', OperandRule.WHOLE_GROUPS)}; {SPARSE_CALL})"
        )
    its_rule = rule_of(_LOAD, "src1", OperandRule.QUARTER_SIZES)
    if columns % PACKED_TAGS:
        raise KernelError(
            f"stationary {stationary} has {columns} columns (M), which must be a multiple of {PACKED_TAGS}, tags of an"
            f" element ({its_rule}; {SPARSE_CALL})"
        )
    checked_tensor("tags", tags, Buffer.SBUF)
    if tags.dtype != TAGS:
        kind = rule_of(_LOAD, "src1", OperandRule.KIND)
        raise KernelError(f"tags {tags} must be of {TAGS.name}, {PACKED_TAGS} tags in each ({kind}; {SPARSE_CALL})")
    if (tags.shape[0], tags.size // tags.shape[0]) != (rows, columns // PACKED_TAGS):
        raise KernelError(
            f"tags {tags} must be [{rows}, {columns // PACKED_TAGS}], {PACKED_TAGS} tags in each element, as stationary"
            f" {stationary} has weights ({its_rule}; {SPARSE_CALL})"
        )


def placed_sparse(stationary: Tensor, moving: Tensor, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As the array reads them, in the partitions of moving, from a group's first on; copied where they are not."""
    moving = in_rows(moving)
    if moving.partition % current().config.tensor.group_rows:
        moving = relocated(moving, 0)
    stationary, tags = in_rows(stationary), in_rows(tags)
    if stationary.partition != moving.partition:
        stationary = relocated(stationary, moving.partition)
    if tags.partition != moving.partition:
        tags = relocated(tags, moving.partition)
    tags = tags if aligned(tags) else copied(tags, tags.dtype, "tags")
    return aligned_stationary(stationary), _placed_moving(moving), tags


def _placed_moving(moving: Tensor) -> Tensor:
    """The elements of a partition at the same place of a word each."""
    word, (ratio, step) = current().config.sbuf.word_bytes, moving.dims[1]
    placed = step % word == 0 and abs(step) // moving.item <= FIELDS["src0_stride3"].high
    if (placed or ratio == 1) and len([size for size, _ in row(moving).free if size != 1]) <= 2:
        return moving
    size, whole = prod(moving.shape[2:]), word // moving.item
    tile = fresh((*moving.shape[:2], -(-size // whole) * whole), moving.dtype, "candidates", partition=moving.partition)
    tile = tile[:, :, :size].reshape(moving.shape)
    record(Opcode.TENSOR_COPY, tile, {"src": moving})
    return tile


def record_sparse(dst: Tensor, stationary: Tensor, moving: Tensor, tags: Tensor, adds: bool) -> None:
    """A load and a matmul."""
    read("tags", tags)
    its = {"ratio": moving.shape[1], "column": dst.partition}
    current().append(_LOAD, {"stationary": stationary, "tags": tags}, its)
    numbers = {"part": 0, "mode": int(Mode.SPARSE), "accumulate": int(adds)}
    current().append(_MATMUL, {"dst": dst, "moving": moving}, numbers)
