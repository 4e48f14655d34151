"""A matmul of MX tiles: [K, M] and [K, N] of containers, each four elements deep, with the scales of their groups."""

from makalu.spec.formats import E8M0, FORMATS, Format
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.quads import QUADS
from makalu.spec.scales import GROUP_PARTITIONS, OFFSET_STEP, groups_of_a_quadrant, largest_offset, quadrant
from makalu.spec.tensor_modes import Mode

from .arguments import checked_tensor
from .core_rules import rule_of
from .errors import KernelError, NotBuiltError
from .recording import current
from .staging import aligned, fresh, in_rows, read, record, relocated
from .storage import Buffer
from .tensor import Tensor

__all__ = ["MX_CALL", "check_mx", "check_scale", "placed_data", "placed_scales", "record_mx"]

MX_CALL = "NKI: nisa.nc_matmul_mx"
_LOAD, _MATMUL = Opcode.LOAD_STATIONARY, Opcode.MATMUL
_SCALES = (E8M0, FORMATS["uint8"])


def check_mx(stationary: Tensor, moving: Tensor, scales: tuple[Tensor, Tensor]) -> None:
    """Errors: the core lacks MX, an operand is no packed type, K or M is not whole, a scale tile in the wrong place."""
    config = current().config
    if Mode.MX not in config.tensor.modes:
        raise NotBuiltError(f"nisa.nc_matmul_mx on preset {config.name}, whose PEs do not add four products")
    for name, tensor, opcode in (("stationary", stationary, _LOAD), ("moving", moving, _MATMUL)):
        if tensor.dtype not in QUADS:
            raise KernelError(
                f"{name} {tensor} must be of {', '.join(form.name for form in QUADS)}"
                f" ({rule_of(opcode, 'src0', OperandRule.OF_MODE)}; {MX_CALL})"
            )
        if tensor.shape[0] % quadrant(config):
            raise KernelError(
                f"{name} {tensor} has {tensor.shape[0]} partitions, which must be a multiple of {quadrant(config)}"
                f" ({rule_of(opcode, 'src0', OperandRule.QUADRANTS)}; {MX_CALL})"
            )
    if stationary.size // stationary.shape[0] % 2:
        raise KernelError(f"stationary {stationary} must have an even number of columns ({MX_CALL})")
    for name, scale, tensor in (("stationary", scales[0], stationary), ("moving", scales[1], moving)):
        check_scale(f"{name}_scale", checked_tensor(f"{name}_scale", scale, Buffer.SBUF), tensor, MX_CALL, _MATMUL)


def check_scale(name: str, scale: Tensor, tensor: Tensor, call: str, opcode: Opcode) -> None:
    """Scales of the containers of `tensor`. Errors: another type, size or place; `call` and `opcode` say whose rule."""
    config = current().config
    if scale.dtype not in _SCALES:
        raise KernelError(f"{name} {scale} must be of uint8, codes of {E8M0.long_name} ({call})")
    columns, whole = tensor.size // tensor.shape[0], quadrant(config)
    if scale.size // scale.shape[0] != columns:
        raise KernelError(f"{name} {scale} must have {columns} columns, as {tensor} has: one for each ({call})")
    least = tensor.shape[0] - whole + groups_of_a_quadrant(config)
    if not least <= scale.shape[0] <= tensor.shape[0]:
        raise KernelError(
            f"{name} {scale} must have {least} to {tensor.shape[0]} partitions: {groups_of_a_quadrant(config)} for each"
            f" {whole} of {tensor}, a row for {GROUP_PARTITIONS} of them ({call})"
        )
    if scale.steps[0] != 1 and scale.shape[0] > 1:
        raise KernelError(f"{name} {scale} must have a row in each partition ({call})")
    above = scale.partition - scale.partition // whole * whole
    if above not in range(0, largest_offset(config) + 1, OFFSET_STEP) or (
        scale.partition // whole != tensor.partition // whole
    ):
        some = list(range(0, largest_offset(config) + 1, OFFSET_STEP))
        raise KernelError(
            f"{name} {scale} begins at partition {scale.partition}, and must at one of {some} above that of {tensor},"
            f" {tensor.partition} ({rule_of(opcode, 'src1', OperandRule.OF_QUADRANTS)}; {call})"
        )


def placed_data(tensor: Tensor) -> Tensor:
    """In rows from a quadrant on, of one dimension; copied where it is not."""
    tensor = in_rows(tensor)
    if tensor.partition % quadrant(current().config):
        tensor = relocated(tensor, 0)
    return tensor if aligned(tensor) else _copied(tensor, tensor.dtype)


def _copied(tensor: Tensor, dtype: Format) -> Tensor:
    tile = fresh((tensor.shape[0], tensor.size // tensor.shape[0]), dtype, "dense", partition=tensor.partition)
    record(Opcode.TENSOR_COPY, tile, {"src": tensor.reshape(tile.shape)})
    return tile


def placed_scales(scale: Tensor, data: Tensor) -> Tensor:
    """Contiguous from a word on, in the quadrants of the data; copied where they are not: the rows that are scales."""
    whole, rows = quadrant(current().config), groups_of_a_quadrant(current().config)
    moved = data.partition // whole != scale.partition // whole
    if aligned(scale) and not moved:
        return scale
    first = data.partition // whole * whole + scale.partition % whole
    columns = scale.size // scale.shape[0]
    tile = fresh((scale.shape[0], columns), scale.dtype, "scales", partition=first)
    for base in range(0, data.shape[0], whole):
        source = scale[base : base + rows].reshape((rows, columns))
        if moved:
            source = relocated(source, first + base)
        record(Opcode.TENSOR_COPY, tile[base : base + rows], {"src": source})
    return tile


def record_mx(dst: Tensor, data: tuple[Tensor, Tensor], scales: tuple[Tensor, Tensor], adds: bool) -> None:
    """A load and a matmul."""
    whole, rows = quadrant(current().config), groups_of_a_quadrant(current().config)
    for name, scale, tensor in (("stationary_scale", scales[0], data[0]), ("moving_scale", scales[1], data[1])):
        for base in range(0, tensor.shape[0], whole):
            read(name, scale[base : base + rows])
    numbers = {"part": 0, "mode": int(Mode.MX)}
    (stationary, moving), (its, other) = data, scales
    current().append(_LOAD, {"stationary": stationary, "scales": its}, numbers | {"column": dst.partition})
    operands = {"dst": dst, "moving": moving, "scales": other}
    current().append(_MATMUL, operands, numbers | {"accumulate": int(adds)})
