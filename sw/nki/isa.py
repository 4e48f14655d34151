"""`nisa`: one call, one operation of the core; destinations first, results nowhere else."""

from enum import Enum

import numpy as np

from makalu.hw.spec.formats import BF16, FP32
from makalu.hw.spec.isa import AluOp, Function, Opcode

from .arguments import call, fp32_bits
from .names import refuse_names
from .recording import Operation, Site, current
from .tensor import Buffer, KernelError, Tensor

__all__ = [
    "Engine",
    "activation",
    "dma_copy",
    "nc_matmul",
    "scalar_engine",
    "tensor_copy",
    "tensor_scalar",
    "tensor_tensor",
    "vector_engine",
]


class Engine(Enum):
    VECTOR = "vector"
    SCALAR = "scalar"


vector_engine = Engine.VECTOR
scalar_engine = Engine.SCALAR


@call
def nc_matmul(dst: Tensor, stationary: Tensor, moving: Tensor, *, accumulate: bool | None = None) -> None:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N], in PSUM.

    accumulate : None overwrites where dst was not written by a matmul before and adds where it was.
    """
    config = current().config
    _inside("nc_matmul", "dst", dst, Buffer.PSUM)
    for name, tensor in (("stationary", stationary), ("moving", moving)):
        _inside("nc_matmul", name, tensor, Buffer.SBUF)
        if tensor.dtype != BF16:
            raise KernelError(f"nc_matmul: {name} must be bfloat16, not {tensor}")
    shapes = f"stationary {list(stationary.shape)}, moving {list(moving.shape)}, dst {list(dst.shape)}"
    if stationary.shape[0] != moving.shape[0] or stationary.partition != moving.partition:
        raise KernelError(
            f"nc_matmul: stationary and moving must lie in the same partitions, not {stationary.partition}+"
            f"{stationary.shape[0]} and {moving.partition}+{moving.shape[0]} ({shapes})"
        )
    columns = [(size, stride) for size, stride in stationary.free if size != 1]
    if len(columns) > 1 or any(stride != 1 for _, stride in columns):
        raise KernelError(f"nc_matmul: stationary must have one contiguous free dimension, not {list(stationary.free)}")
    count = columns[0][0] if columns else 1
    if count > config.tensor.columns:
        raise KernelError(
            f"nc_matmul: stationary has {count} columns, the array has {config.tensor.columns} ({shapes})"
        )
    if stationary.offset * BF16.bytes % config.sbuf.word_bytes:
        raise KernelError(
            f"nc_matmul: stationary starts at byte {stationary.offset * BF16.bytes} of its tile, which is no multiple "
            f"of the SBUF word of {config.sbuf.word_bytes} bytes"
        )
    if dst.shape[0] != count or dst.partition != 0:
        raise KernelError(
            f"nc_matmul: dst must have partition 0 to {count - 1}, not {dst.partition}+{dst.shape[0]} ({shapes})"
        )
    _same_free("nc_matmul", dst=dst, moving=moving)
    if accumulate is None:
        accumulate = _first_write(dst)
    fields = {"partitions": stationary.shape[0]}
    _record(Opcode.LOAD_STATIONARY, {"src0": stationary}, fields)
    _record(
        Opcode.MATMUL,
        {"dst": dst, "src0": moving},
        {**fields, "columns": count, "accumulate": int(accumulate)},
    )


@call
def tensor_copy(dst: Tensor, src: Tensor, *, engine: Engine = Engine.VECTOR) -> None:
    """dst[P, N] = cast(src[P, N]).

    On the Scalar engine it is `activation(op=copy)`, which turns -0 into +0.
    """
    if not isinstance(engine, Engine):
        raise KernelError(f"tensor_copy: engine must be nisa.vector_engine or nisa.scalar_engine, not {engine!r}")
    if engine is Engine.SCALAR:
        activation(dst, op=Function.IDENTITY, data=src)
        return
    _elementwise("tensor_copy", dst=dst, src=src)
    _record(Opcode.TENSOR_COPY, {"dst": dst, "src0": src}, {"partitions": dst.shape[0]})


@call
def tensor_tensor(dst: Tensor, data1: Tensor, data2: Tensor, op: AluOp) -> None:
    """dst[P, N] = cast(op(data1[P, N], data2[P, N]))"""
    _elementwise("tensor_tensor", dst=dst, data1=data1, data2=data2)
    _operator("tensor_tensor", op)
    _record(
        Opcode.TENSOR_TENSOR,
        {"dst": dst, "src0": data1, "src1": data2},
        {"partitions": dst.shape[0], "op0": int(op)},
    )


@call
def tensor_scalar(
    dst: Tensor,
    data: Tensor,
    op0: AluOp,
    operand0: Tensor | float,
    reverse0: bool = False,
    op1: AluOp | None = None,
    operand1: float = 0.0,
    reverse1: bool = False,
) -> None:
    """dst[P, N] = cast(op1(op0(data[P, N], operand0), operand1)); operand0 is a number or a float32 tensor [P, 1]."""
    _elementwise("tensor_scalar", dst=dst, data=data)
    _operator("tensor_scalar", op0)
    immediate1 = fp32_bits("tensor_scalar: operand1", operand1)
    tensors = {"dst": dst, "src0": data}
    fields = {"partitions": dst.shape[0], "op0": int(op0), "reverse0": int(reverse0)}
    _scalar("tensor_scalar", "operand0", operand0, dst, tensors, fields, "immediate0")
    if op1 is not None:
        _operator("tensor_scalar", op1)
        fields |= {"op1": int(op1), "reverse1": int(reverse1), "immediate1": immediate1}
    _record(Opcode.TENSOR_SCALAR, tensors, fields)


@call
def activation(dst: Tensor, op: Function, data: Tensor, bias: Tensor | float | None = None, scale: float = 1.0) -> None:
    """dst[P, N] = cast(op(data[P, N] * scale + bias)); bias is a number or a float32 tensor [P, 1]."""
    _elementwise("activation", dst=dst, data=data)
    if not isinstance(op, Function):
        raise KernelError(f"activation: op must be one of {[f.name.lower() for f in Function]}, not {op!r}")
    tensors = {"dst": dst, "src0": data}
    fields = {"partitions": dst.shape[0], "function": int(op), "immediate0": fp32_bits("activation: scale", scale)}
    _scalar("activation", "bias", 0.0 if bias is None else bias, dst, tensors, fields, "immediate1")
    _record(Opcode.ACTIVATION, tensors, fields)


@call
def dma_copy(dst: Tensor, src: Tensor) -> None:
    """dst = src between memory and SBUF; memory's dimension 0 goes with the partition, the rest in order."""
    for name, tensor in (("dst", dst), ("src", src)):
        _inside("dma_copy", name, tensor, *Buffer)
    if dst.dtype != src.dtype:
        raise KernelError(f"dma_copy moves bytes: dst {dst} and src {src} must have one type")
    if dst.shape[0] != src.shape[0]:
        raise KernelError(f"dma_copy: dimension 0 of dst {list(dst.shape)} and src {list(src.shape)} must be equal")
    _same_free("dma_copy", dst=dst, src=src)
    if dst.buffer is Buffer.SBUF and not src.buffer.on_chip:
        opcode, tensors = Opcode.DMA_LOAD, {"dst": dst, "memory": src}
    elif src.buffer is Buffer.SBUF and not dst.buffer.on_chip:
        opcode, tensors = Opcode.DMA_STORE, {"src0": src, "memory": dst}
    else:
        raise KernelError(f"dma_copy goes between memory and SBUF, not from {src} to {dst}")
    _record(opcode, tensors, {"partitions": dst.shape[0]})


def _record(opcode: Opcode, tensors: dict[str, Tensor], fields: dict[str, int]) -> None:
    current().operations.append(Operation(opcode=opcode, tensors=tensors, fields=fields, site=Site.here()))


def _inside(call: str, name: str, tensor: Tensor, *buffers: Buffer) -> None:
    if not isinstance(tensor, Tensor) or tensor.buffer not in buffers:
        raise KernelError(f"{call}: {name} must be in {' or '.join(b.value for b in buffers)}, not {tensor}")


def _same_free(call: str, **tensors: Tensor) -> None:
    shapes = {name: [size for size in tensor.shape[1:] if size != 1] for name, tensor in tensors.items()}
    first = next(iter(shapes.values()))
    if any(shape != first for shape in shapes.values()):
        given = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items())
        raise KernelError(f"{call}: free dimensions must be equal, not {given}")


def _elementwise(call: str, *, dst: Tensor, **sources: Tensor) -> None:
    """Operands of Vector and Scalar: one shape, one start partition, the result in SBUF."""
    _inside(call, "dst", dst, Buffer.SBUF)
    for name, tensor in sources.items():
        _inside(call, name, tensor, Buffer.SBUF, Buffer.PSUM)
        if (tensor.partition, tensor.shape[0]) != (dst.partition, dst.shape[0]):
            raise KernelError(
                f"{call}: {name} lies in partitions {tensor.partition}+{tensor.shape[0]}, dst in "
                f"{dst.partition}+{dst.shape[0]}; they must be the same"
            )
    _same_free(call, dst=dst, **sources)


def _operator(call: str, op: AluOp) -> None:
    if not isinstance(op, AluOp):
        raise KernelError(f"{call}: an operator must be one of {[o.name.lower() for o in AluOp]}, not {op!r}")


def _scalar(
    call: str,
    name: str,
    value: Tensor | float,
    dst: Tensor,
    tensors: dict[str, Tensor],
    fields: dict[str, int],
    immediate: str,
) -> None:
    """A number goes into the immediate, a tensor [P, 1] into slot src1."""
    if not isinstance(value, Tensor):
        fields[immediate] = fp32_bits(f"{call}: {name}", value)
        return
    _inside(call, name, value, Buffer.SBUF)
    wanted = (dst.partition, (dst.shape[0], 1), FP32)
    if (value.partition, value.shape, value.dtype) != wanted:
        raise KernelError(
            f"{call}: {name} must be float32 [{dst.shape[0]}, 1] from partition {dst.partition}, not {value} from "
            f"partition {value.partition}"
        )
    tensors["src1"] = value
    fields["operand0_tensor"] = 1


def _first_write(dst: Tensor) -> bool:
    """Whether a matmul with accumulate=None adds; marks dst as written."""
    touched = np.array([dst.offset])
    for size, stride in dst.free:
        touched = np.unique(touched[:, None] + stride * np.arange(size))
    mask = dst.storage.written[: dst.shape[0]]
    known, elements = int(np.count_nonzero(mask[:, touched])), dst.shape[0] * touched.size
    if 0 < known < elements:
        raise KernelError(
            f"nc_matmul: {known} of {elements} elements of dst {dst} were written before; say accumulate="
        )
    mask[:, touched] = True
    return known > 0


__getattr__ = refuse_names("nisa", __all__)
