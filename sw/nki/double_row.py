"""Operands of a double-row matmul: [K, 2, ...], whose two rows of a partition the array multiplies in one cycle."""

from makalu.spec.isa import FIELDS, Opcode, OperandRule
from makalu.spec.tensor_modes import MODES, Mode

from .core_rules import rule_of
from .errors import KernelError, NotBuiltError
from .recording import current
from .staging import aligned, fresh, record
from .tensor import Tensor

__all__ = ["check_rows", "placed_rows", "row"]

_ROW = MODES[Mode.DOUBLE_ROW]
_LOAD = Opcode.LOAD_STATIONARY


def check_rows(stationary: Tensor, moving: Tensor) -> None:
    """Errors: the core lacks the mode, an operand has not two rows, or not a type of the mode."""
    config = current().config
    if Mode.DOUBLE_ROW not in config.tensor.modes:
        raise NotBuiltError(f"perf_mode=double_row on preset {config.name}, whose PEs add one product a cycle")
    for name, tensor in (("stationary", stationary), ("moving", moving)):
        if tensor.ndim < 3 or tensor.shape[1] != _ROW.rows:
            raise KernelError(
                f"{name} {tensor} must be [K, {_ROW.rows}, ...] in double row, zeros where there is no second row"
                " (NKI: nisa.nc_matmul, perf_mode)"
            )
        if tensor.dtype not in _ROW.formats:
            raise KernelError(
                f"{name} {tensor} in double row ({rule_of(_LOAD, 'src0', OperandRule.OF_MODE)}; NKI: nisa.nc_matmul)"
            )


def row(tensor: Tensor) -> Tensor:
    """The first row of each partition."""
    return tensor[:, 0]


def placed_rows(tensor: Tensor, *, stationary: bool) -> Tensor:
    """As the array reads it: both rows at the same place of a word, a stationary one contiguous from a word on.

    Copied where it is not.
    """
    word = current().config.sbuf.word_bytes
    first, step = row(tensor), tensor.steps[1]
    placed = step % word == 0 and abs(step) <= FIELDS["src0_stride3"].high and (not stationary or aligned(first))
    if placed and len([size for size, _ in first.free if size != 1]) <= 2:
        return tensor
    size = first.size // tensor.shape[0]
    tile = fresh(
        (tensor.shape[0], _ROW.rows, -(-size // word) * word), tensor.dtype, "rows", partition=tensor.partition
    )
    tile = tile[:, :, :size]
    record(Opcode.TENSOR_COPY, tile, {"src": tensor.reshape((tensor.shape[0], _ROW.rows, size))})
    return tile
