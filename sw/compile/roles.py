"""Where the roles of an operation go in its instruction: the one table between the language and the encoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from makalu.spec.isa import Opcode

__all__ = ["MEMORY", "ROLES", "Roles"]

MEMORY = "memory"
"""The side of a DMA that the fields address and memory_stride describe."""


@dataclass(frozen=True)
class Roles:
    """Tensors of one shape by operand slot, tensors [P, 1] by slot, numbers by field."""

    tensors: Mapping[str, str]
    scalars: Mapping[str, str] = field(default_factory=dict)
    """A scalar that is a tensor sets `operand0_tensor`; one that is a number is in `numbers` under the same role."""
    numbers: Mapping[str, str] = field(default_factory=dict)
    columns: str | None = None
    """The role whose rows are PE columns."""
    turned: bool = False
    """Rows of dst are the elements of a row of src0, and the other way round; both are lines."""
    scales: str | None = None
    """Slot of the role `scales`, where an operation has one: a byte for each element of a partition."""
    group_scales: str | None = None
    """Slot of the role `dst_scale`, which is written: a byte for each GROUP_ELEMENTS elements of a partition."""
    tags: str | None = None
    """Slot of the role `tags`: an element for each PACKED_TAGS elements of a partition."""


ROLES: Mapping[Opcode, Roles] = {
    Opcode.LOAD_STATIONARY: Roles(
        {"stationary": "src0"},
        numbers={name: name for name in ("part", "mode", "column", "apart", "exponent_offset")},
        scales="src1",
    ),
    Opcode.MATMUL: Roles(
        {"dst": "dst", "moving": "src0"},
        numbers={"part": "part", "mode": "mode", "accumulate": "accumulate", "exponent_offset": "exponent_offset"},
        columns="dst",
        scales="src1",
    ),
    Opcode.LOAD_SPARSE: Roles({"stationary": "src0"}, numbers={"ratio": "ratio", "column": "column"}, tags="src1"),
    Opcode.TRANSPOSE: Roles({"dst": "dst", "src": "src0"}, numbers={"part": "part"}, columns="dst", turned=True),
    Opcode.TENSOR_COPY: Roles({"dst": "dst", "src": "src0"}),
    Opcode.TENSOR_TENSOR: Roles({"dst": "dst", "data1": "src0", "data2": "src1"}, numbers={"op": "op0"}),
    Opcode.TENSOR_SCALAR: Roles(
        {"dst": "dst", "data": "src0"},
        {"operand0": "src1"},
        {
            "op0": "op0",
            "operand0": "immediate0",
            "reverse0": "reverse0",
            "op1": "op1",
            "operand1": "immediate1",
            "reverse1": "reverse1",
        },
    ),
    Opcode.MEMSET: Roles({"dst": "dst"}, numbers={"value": "immediate0"}),
    Opcode.QUANTIZE_MX: Roles({"dst": "dst", "src": "src0"}, numbers={"rule": "scale_rule"}, group_scales="src1"),
    Opcode.ACTIVATION: Roles(
        {"dst": "dst", "data": "src0"},
        {"bias": "src1"},
        {"function": "function", "bias": "immediate1", "scale": "immediate0"},
    ),
    Opcode.DMA_LOAD: Roles({"dst": "dst", "src": MEMORY}),
    Opcode.DMA_STORE: Roles({"src": "src0", "dst": MEMORY}),
}
"""`partitions` is always the rows of the operands."""
