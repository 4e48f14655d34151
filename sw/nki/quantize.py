"""Quantisation to MX: a tile of numbers to containers of four elements, and the scales of their groups."""

from dataclasses import replace

from makalu.spec.formats import Format
from makalu.spec.isa import Opcode, OperandRule
from makalu.spec.quads import QUADS
from makalu.spec.quantize import GROUP_ELEMENTS, ScaleRule
from makalu.spec.scales import groups_of_a_quadrant, quadrant
from makalu.spec.tensor_modes import Mode

from .arguments import checked_tensor
from .core_rules import named, operand_row, rule_of, types_of
from .errors import KernelError, NotBuiltError
from .mx import check_scale
from .recording import current
from .staging import copied, in_rows, read, relocated
from .storage import Buffer, Written
from .tensor import Tensor

__all__ = ["QUANTIZE_CALL", "quantize"]

QUANTIZE_CALL = "NKI: nisa.quantize_mx"
_OPCODE = Opcode.QUANTIZE_MX


def quantize(dst: Tensor, src: Tensor, scale: Tensor, rule: ScaleRule) -> None:
    """dst[P, N] of containers and scale[P, N] of src[P, 4 N], in SBUF.

    A source in other partitions, or that shares bytes with dst, is copied first. Errors: the core lacks MX, a type or
    size that there is not, scales in the wrong place.
    """
    config = current().config
    if Mode.MX not in config.tensor.modes:
        raise NotBuiltError(f"nisa.quantize_mx on preset {config.name}, which has no MX")
    for name, tensor in (("dst", dst), ("src", src), ("dst_scale", scale)):
        checked_tensor(name, tensor, Buffer.SBUF)
    element = _element_of(dst)
    if src.dtype not in types_of(_OPCODE, "src0"):
        rule_of_type = rule_of(_OPCODE, "src0", OperandRule.KIND)
        raise KernelError(f"src {src} must be of {named(_OPCODE, 'src0')} ({rule_of_type}; {QUANTIZE_CALL})")
    rows, whole = dst.shape[0], quadrant(config)
    if rows % whole or dst.partition % whole or (dst.steps[0] != 1 and rows > 1):
        raise KernelError(
            f"dst {dst} has {rows} partitions from {dst.partition} on, which come by {whole}"
            f" ({rule_of(_OPCODE, 'dst', OperandRule.WHOLE_QUADRANTS)}; {QUANTIZE_CALL})"
        )
    if src.shape[0] != rows or src.size != GROUP_ELEMENTS * dst.size:
        raise KernelError(
            f"src {src} must have {rows} partitions of {GROUP_ELEMENTS * dst.size // rows} elements, {GROUP_ELEMENTS}"
            f" for each of dst {dst} ({QUANTIZE_CALL})"
        )
    check_scale("dst_scale", scale, dst, QUANTIZE_CALL, _OPCODE)
    dst.check_distinct("dst")
    scale.check_distinct("dst_scale")
    if scale.overlaps(dst):
        raise KernelError(f"dst_scale {scale} and dst {dst} share bytes ({QUANTIZE_CALL})")
    _record(dst, element, in_rows(src), scale, rule)


def _element_of(dst: Tensor) -> Format:
    """What a container of dst holds four of."""
    legal = {f"{form.name}_x{GROUP_ELEMENTS}": form for form in operand_row(_OPCODE, "dst").dtypes}
    if dst.dtype not in QUADS or dst.dtype.name not in legal:
        raise KernelError(f"dst {dst} must be of {' or '.join(legal)} ({QUANTIZE_CALL})")
    return legal[dst.dtype.name]


def _record(dst: Tensor, element: Format, src: Tensor, scale: Tensor, rule: ScaleRule) -> None:
    if src.partition != dst.partition:
        src = relocated(src, dst.partition)
    elif src.overlaps(dst) or src.overlaps(scale):  # it is read while these are written
        src = copied(src, src.dtype, "before")
    read("src", src)
    elements = replace(dst.with_dims([*dst.dims, (GROUP_ELEMENTS, element.bytes)]), dtype=element)
    current().append(_OPCODE, {"dst": elements, "src": src, "dst_scale": scale}, {"rule": int(rule)})
    dst.storage.mark(dst, Written.VALUE)
    config = current().config
    for base in range(0, dst.shape[0], quadrant(config)):
        some = scale[base : base + groups_of_a_quadrant(config)]
        some.storage.mark(some, Written.VALUE)
