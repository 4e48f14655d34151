"""Instructions of Vector and Scalar: operands brought side by side, scalars where an instruction takes them."""

from typing import Any

from makalu.spec.formats import FP32
from makalu.spec.isa import AP_DIMS, FIELDS, Opcode, OperandRule, Space

from .arguments import checked_tensor, fp32_bits
from .core_rules import operand_row, rule_of
from .errors import KernelError, NotBuiltError
from .operators import OPERATORS, alu_operator
from .staging import column, copied, fresh, record, relocated
from .storage import Buffer
from .tensor import Tensor

__all__ = ["activate", "elementwise", "scalar_step"]


def activate(dst: Tensor, function: int, data: Tensor, bias: Any, scale: Any) -> None:
    """dst = cast(function(data * scale + bias)) on Scalar; a scale that is a tensor takes a Vector step first."""
    checked_tensor("dst", dst, Buffer.SBUF, Buffer.PSUM)
    if isinstance(scale, Tensor):
        scaled = fresh(dst.shape, FP32, "scaled", partition=dst.partition)
        multiply = {"op0": int(alu_operator("scale", OPERATORS["multiply"])), "reverse0": 0}
        scalar_step(scaled, data, multiply, scale, "scale")
        data, scale = scaled, 1.0
    numbers = {"function": int(function), "scale": fp32_bits("scale", scale)}
    sources = {"data": data}
    if isinstance(bias, Tensor):
        sources["bias"] = column("bias", bias, dst)
    else:
        numbers["bias"] = fp32_bits("bias", 0.0 if bias is None else bias)
    elementwise(Opcode.ACTIVATION, dst, sources, numbers, scalars=("bias",))


def scalar_step(dst: Tensor, data: Tensor, numbers: dict[str, int], operand: Any, name: str = "operand0") -> None:
    """One tensor_scalar; `operand` is a number or [P, 1], `numbers` has the operators."""
    sources = {"data": data}
    if isinstance(operand, Tensor):
        sources["operand0"] = column(name, operand, dst)
    else:
        numbers = {**numbers, "operand0": fp32_bits(name, 0.0 if operand is None else operand)}
    elementwise(Opcode.TENSOR_SCALAR, dst, sources, numbers, scalars=("operand0",))


def elementwise(
    opcode: Opcode, dst: Tensor, sources: dict[str, Tensor], numbers: dict[str, int], scalars: tuple[str, ...] = ()
) -> None:
    """Vector and Scalar: the same rows and elements a partition for all operands, the result in SBUF."""
    checked_tensor("dst", dst, Buffer.SBUF, Buffer.PSUM)
    dst.check_distinct("dst")
    if dst.buffer is Buffer.PSUM and Space.PSUM not in operand_row(opcode, "dst").spaces:
        raise NotBuiltError(f"a result of Vector or Scalar in PSUM: {dst} ({rule_of(opcode, 'dst', OperandRule.KIND)})")
    placed = {}
    for role, source in sources.items():
        if role in scalars:
            # one instruction reads it before it writes, the next of several would read what the first wrote
            others = [each for name, each in sources.items() if name not in scalars]
            inside = source.overlaps(dst) and not _surely_one(dst, *others)
            placed[role] = copied(source, source.dtype, "scalar") if inside else source
            continue
        checked_tensor(role, source, Buffer.SBUF, Buffer.PSUM)
        if source.shape[0] != dst.shape[0]:
            raise KernelError(f"{role} {source} has {source.shape[0]} partitions, dst {dst} has {dst.shape[0]}")
        if source.size != dst.size:
            raise KernelError(
                f"{role} {source} has {source.size // source.shape[0]} elements a partition, dst {dst} has "
                f"{dst.size // dst.shape[0]}; they must be equal ({rule_of(opcode, 'src0', OperandRule.SAME_SIZES)})"
            )
        apart = source.partition != dst.partition or (source.steps[0] != 1 and source.shape[0] > 1)
        if apart:
            source = relocated(source, dst.partition)
        elif not source.same_elements(dst) and source.overlaps(dst):
            source = copied(source, source.dtype, "before")  # what such an instruction would read is open
        placed[role] = source
    record(opcode, dst, placed, numbers)


def _surely_one(*operands: Tensor) -> bool:
    """One instruction holds these patterns as they are, without merging or cutting dimensions."""
    size, stride = FIELDS["dst_size0"].high, FIELDS["dst_stride0"].high
    return all(
        each.shape == operands[0].shape
        and len(each.free) <= AP_DIMS
        and all(count <= size and abs(step) <= stride * each.item for count, step in each.free)
        for each in operands
    )
