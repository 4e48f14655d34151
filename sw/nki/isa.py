"""`nisa`: instructions, destinations first. Each call becomes one instruction of the core, or the steps it takes."""

from typing import Any

from makalu.spec.formats import FP32, FormatKind
from makalu.spec.isa import AluOp, Opcode, OperandRule
from makalu.spec.quantize import ScaleRule

from .api import ISA_NAMES, refuse_names
from .arguments import call, checked_tensor, fp32_bits, unbuilt
from .background import may_be_beside, transposed
from .cfp8 import check_offsets
from .checks import checked_integer
from .choices import (
    dge_mode,
    engine,
    gpsimd_engine,
    matmul_perf_mode,
    nc_version,
    oob_mode,
    reduce_cmd,
    scalar_engine,
    tensor_engine,
    unknown_engine,
    vector_engine,
)
from .core_rules import named, rule_of, types_of
from .elementwise import activate, elementwise, scalar_step
from .errors import KernelError, NotBuiltError
from .fill import fill, identity
from .matmul import matmul
from .operators import OPERATORS, Operator, alu_operator, function_operator
from .pe_tiles import PeTile, pe_tile
from .quantize import quantize
from .recording import core_config, current
from .staging import copied, fresh, in_rows, relocated
from .storage import Buffer
from .tensor import Tensor, on_assignment
from .transfer import transfer

__all__ = [
    "activation",
    "dge_mode",
    "dma_copy",
    "engine",
    "get_nc_version",
    "gpsimd_engine",
    "matmul_perf_mode",
    "memset",
    "nc_matmul",
    "nc_matmul_mx",
    "nc_matmul_sparse",
    "nc_transpose",
    "nc_version",
    "oob_mode",
    "quantize_mx",
    "reduce_cmd",
    "scalar_engine",
    "tensor_copy",
    "tensor_engine",
    "tensor_scalar",
    "tensor_tensor",
    "unknown_engine",
    "vector_engine",
]


_GENERATION = {"trn1": nc_version.gen2, "trn2": nc_version.gen3, "trn3": nc_version.gen4}


def get_nc_version() -> nc_version:
    """Generation of the core that the kernel is traced for; of a preset that models none, the second."""
    return _GENERATION.get(core_config().product.generation, nc_version.gen3)


@call("nisa")
def nc_matmul(
    dst: Tensor,
    stationary: Tensor,
    moving: Tensor,
    is_stationary_onezero: bool = False,
    is_moving_onezero: bool = False,
    is_transpose: bool = False,
    accumulate: bool | None = None,
    tile_position: tuple[int, ...] = (),
    tile_size: tuple[int, ...] = (),
    perf_mode: matmul_perf_mode = matmul_perf_mode.none,
    name: str | None = None,
    *,
    exponent_offset: tuple[int, ...] = (0, 0),
) -> None:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N], in PSUM; operands as the array has them.

    `accumulate` None overwrites where no matmul wrote dst before and adds where one did. Becomes a load_stationary and
    a matmul; of fp32 elements, four passes, or two where a side is said to hold only 0 and 1; with perf_mode double_row
    of stationary[K, 2, M] and moving[K, 2, N], fp8 elements, both rows in the time of one. An operand that is
    strided, unaligned or in other partitions is copied first.

    With tile_position and tile_size, both (rows, columns), operands are in those PE rows and dst in those PSUM
    partitions; operands of other partitions are copied first. Without them dst may begin at any multiple of 32, of a
    smaller core a quarter of its columns. Calls directly one after the other whose tiles share neither rows nor columns
    run at once, as one matmul with a load each, where their rows and columns adjoin and their moving tiles and dst lie
    in one storage each, with the same pattern. Does not: run those at once that share rows or columns, as the documents
    say; one goes behind the other. The sums are the same.

    `exponent_offset` is not in NKI, which has no word for cFP8: ours. Of (stationary, moving), each from -32 to 31, of
    operands of fp8 (trn1, trn2): elements count as x * 2^offset, exactly; not in double row, nor in a transpose.

    Sums are fp32. Where dst is of bf16 (trn3) each is rounded to it once more: what a matmul writes, each sum of two
    matmuls, and each pass of fp32 elements.
    """
    del name
    tile, all_of_it = pe_tile(tile_position, tile_size, call="nisa.nc_matmul"), PeTile.whole(current().config)
    double = perf_mode is matmul_perf_mode.double_row
    if double and is_transpose:
        raise KernelError("a transpose in double row (NKI: nisa.nc_matmul, perf_mode)")
    if double and tile is not None and tile.columns != all_of_it.columns:
        raise KernelError(f"double row in a column tile, tile_size={tile_size} (NKI: nisa.nc_matmul, perf_mode)")
    if is_transpose and tile not in (None, all_of_it):
        raise NotBuiltError(f"a transpose in a tile of the array, tile_size={tile_size}; it takes the whole array")
    check_offsets(exponent_offset, (stationary, moving), plain=not double and not is_transpose)
    whole = (bool(is_stationary_onezero), bool(is_moving_onezero))
    matmul(
        dst,
        stationary,
        moving,
        accumulate=accumulate,
        transpose=is_transpose,
        whole=whole,
        double=double,
        tile=tile,
        offsets=exponent_offset,
    )


@call("nisa")
def nc_matmul_mx(
    dst: Tensor,
    stationary: Tensor,
    moving: Tensor,
    stationary_scale: Tensor,
    moving_scale: Tensor,
    tile_position: tuple[int, ...] | None = None,
    tile_size: tuple[int, ...] | None = None,
    accumulate: bool | None = None,
    name: str | None = None,
) -> None:
    """dst[M, N] (+)= stationary[K, M].T @ moving[K, N] of MX tiles: containers of four elements, one partition below
    the other; a scale (uint8, e8m0) for 8 partitions and column, in four partitions of each 32.

    `accumulate` and dst, which may be of bf16, as of nc_matmul. Becomes a load_stationary and a matmul, which multiply
    4 K elements in the time of K. tile_position and tile_size as of nc_matmul, of 32, 64 or all rows and all columns.
    Data or scales that are strided, unaligned or in other partitions are copied first.
    """
    del name
    tile = pe_tile(tile_position or (), tile_size or (), call="nisa.nc_matmul_mx", mx=True)
    scales = (stationary_scale, moving_scale)
    matmul(dst, stationary, moving, accumulate=accumulate, transpose=False, scales=scales, tile=tile)


@call("nisa")
def nc_matmul_sparse(
    dst: Tensor,
    stationary: Tensor,
    moving: Tensor,
    tags: Tensor,
    accumulate: bool | None = None,
    name: str | None = None,
) -> None:
    """dst[M, N] (+)= the sum over k of stationary[k, M] times the element of moving[K, ratio, N] that its tag says.

    Not in NKI, which has no call for structured sparsity: ours. A tag is 4 * row + element: a row of the weight's group
    of four partitions, an element of that row's `ratio`, 1 to 4. tags[K, M / 4] are uint16, four in each, that of the
    lowest column in the lowest bits. `makalu.sw.sparse` prunes weights and packs them so.

    `accumulate` and dst, which may be of bf16 and begin at other partitions, as of nc_matmul. Becomes a load_sparse and
    a matmul, which multiply K weights, chosen from ratio x K rows, in the time of K. Operands that are strided,
    unaligned or in other partitions are copied first. A tag that says no element stops the kernel, at this line.
    """
    del name
    matmul(dst, stationary, moving, accumulate=accumulate, transpose=False, tags=tags)


@call("nisa")
def nc_transpose(dst: Tensor, data: Tensor, engine: Any = engine.unknown, name: str | None = None) -> None:
    """dst[F, P] = data[P, F].T, every bit of it where dst has the type of data and the core's sums carry bits.

    Else a matmul with the identity: exact for finite numbers, -0 becomes +0. A load and a matmul; fp32 takes two of
    each, one for each half of its bits or for each part of its numbers. Where the core transposes beside matmuls
    (trn3), into a contiguous or evenly strided dst, every other one does.
    """
    del name
    _check_engine(engine, (tensor_engine, vector_engine))
    if engine is vector_engine:
        raise NotBuiltError(f"engine={engine}; the Tensor engine transposes")
    checked_tensor("data", data, Buffer.SBUF, Buffer.PSUM)
    checked_tensor("dst", dst, Buffer.PSUM)
    if data.dtype not in types_of(Opcode.LOAD_STATIONARY, "src0"):
        built = named(Opcode.LOAD_STATIONARY, "src0")
        raise NotBuiltError(f"a transpose of {data.dtype.name} through the array, whose operands are {built}: {data}")
    if data.buffer is Buffer.PSUM:
        data = copied(data, data.dtype, "evicted")
    rows, columns = data.shape[0], data.size // data.shape[0]
    if columns > current().config.tensor.columns:
        rule = rule_of(Opcode.MATMUL, "dst", OperandRule.WITHIN)
        most = current().config.tensor.columns
        raise KernelError(f"data {data} has {columns} columns, the array has {most} ({rule})")
    if (dst.shape[0], dst.size // dst.shape[0]) != (columns, rows):
        raise KernelError(f"dst {dst} must be [{columns}, {rows}], the transpose of data {data}")
    if may_be_beside(dst, data):
        transposed(dst, data)
        return
    if data.partition:
        data = relocated(data, 0)
    matmul(dst, in_rows(data), identity(rows, data.dtype), accumulate=False, transpose=True)


@call("nisa")
def tensor_copy(dst: Tensor, src: Tensor, engine: Any = engine.unknown, name: str | None = None) -> None:
    """dst[P, N] = cast(src[P, N]); on the Scalar engine -0 becomes +0. GpSimd's are Vector's, and those to integers.

    A copy between integers of 4 bytes keeps every bit; between other types they go through fp32.
    """
    del name
    _check_engine(engine, (vector_engine, scalar_engine, gpsimd_engine), dst, src)
    if engine is scalar_engine and dst.dtype.kind is not FormatKind.INTEGER:
        activate(dst, function_operator("op", OPERATORS["copy"]), src, None, 1.0)
        return
    elementwise(Opcode.TENSOR_COPY, dst, {"src": src}, {})


@call("nisa")
def memset(dst: Tensor, value: float, engine: Any = engine.unknown, name: str | None = None) -> None:
    """dst = value; one instruction of Vector, in PSUM a matmul of constants."""
    del name
    _check_engine(engine, (vector_engine, gpsimd_engine), dst)
    fp32_bits("value", value)
    fill(dst, float(value))


@call("nisa")
def quantize_mx(
    dst: Tensor, src: Tensor, dst_scale: Tensor, name: str | None = None, scale_rule: ScaleRule = ScaleRule.ROOM
) -> None:
    """dst[P, N] = src[P, 4 N] over its groups' scales, four elements a container; dst_scale = the scales.

    A group is 8 partitions x 4 elements; its scale (uint8, e8m0) goes to one of four partitions of each 32. src is
    bfloat16 or float16, all in SBUF. One instruction of Vector, or more where shapes need them. `scale_rule` is not in
    NKI: ScaleRule.OCP takes the scale of the OCP specification, half of NKI's.
    """
    del name
    quantize(dst, src, dst_scale, ScaleRule(scale_rule))


@call("nisa")
def tensor_tensor(
    dst: Tensor,
    data1: Tensor,
    data2: Tensor,
    op: Operator,
    engine: Any = engine.unknown,
    name: str | None = None,
) -> None:
    """dst[P, N] = cast(op(data1[P, N], data2[P, N])); one operand at most in PSUM."""
    del name
    _check_engine(engine, (vector_engine, gpsimd_engine), dst, data1, data2)
    if data1.buffer is Buffer.PSUM and data2.buffer is Buffer.PSUM:
        raise KernelError(f"data1 {data1} and data2 {data2} are both in PSUM, one at most is legal ({_TENSOR_TENSOR})")
    elementwise(Opcode.TENSOR_TENSOR, dst, {"data1": data1, "data2": data2}, {"op": alu_operator("op", op)})


@call("nisa")
def tensor_scalar(
    dst: Tensor,
    data: Tensor,
    op0: Operator,
    operand0: Tensor | float,
    reverse0: bool = False,
    op1: Operator | None = None,
    operand1: Tensor | float | None = None,
    reverse1: bool = False,
    engine: Any = engine.unknown,
    name: str | None = None,
) -> None:
    """dst[P, N] = cast(op1(op0(data[P, N], operand0), operand1)); operands are numbers or [P, 1].

    A second operand that is a tensor takes a second instruction, after an fp32 tile: the same bits.
    """
    del name
    _check_engine(engine, (vector_engine, scalar_engine, gpsimd_engine), dst, data)
    first = {"op0": int(alu_operator("op0", op0)), "reverse0": int(reverse0)}
    second = {} if op1 is None else {"op1": int(alu_operator("op1", op1)), "reverse1": int(reverse1)}
    if op1 is None and operand1 is not None:
        raise KernelError("operand1 without op1")
    for step, numbers, operand in (("0", first, operand0), ("1", second, operand1)):
        if operand is None and numbers.get(f"op{step}", AluOp.BYPASS) != AluOp.BYPASS:
            raise KernelError(f"operand{step} is None, but op{step} takes two operands ({_TENSOR_SCALAR})")
        if isinstance(operand, Tensor) and operand.dtype != FP32:
            raise KernelError(f"operand{step} {operand} must be float32 ({_TENSOR_SCALAR})")
    checked_tensor("dst", dst, Buffer.SBUF, Buffer.PSUM)
    if isinstance(operand1, Tensor):
        between = fresh(dst.shape, FP32, "between", partition=dst.partition)
        scalar_step(between, data, first, operand0)
        first = {"op0": second["op1"], "reverse0": second["reverse1"]}
        scalar_step(dst, between, first, operand1, "operand1")
        return
    if second:
        second["operand1"] = fp32_bits("operand1", 0.0 if operand1 is None else operand1)
    scalar_step(dst, data, {**first, **second}, operand0)


@call("nisa")
def activation(
    dst: Tensor,
    op: Operator,
    data: Tensor,
    bias: Tensor | float | None = None,
    scale: Tensor | float = 1.0,
    reduce_op: Operator | None = None,
    reduce_res: Tensor | None = None,
    reduce_cmd: Any = reduce_cmd.idle,
    name: str | None = None,
) -> None:
    """dst[P, N] = cast(op(data[P, N] * scale + bias)); bias and scale are numbers or [P, 1].

    A scale that is a tensor takes a Vector instruction first, data * scale in fp32: the same bits.
    """
    del name
    unbuilt(reduce_op=(reduce_op, None), reduce_res=(reduce_res, None))
    if reduce_cmd is not _IDLE:
        raise NotBuiltError(f"reduce_cmd={reduce_cmd}")
    if isinstance(scale, Tensor) and scale.dtype != FP32:
        raise KernelError(f"scale {scale} must be float32 ({_ACTIVATION})")
    activate(dst, function_operator("op", op), data, bias, scale)


@call("nisa")
def dma_copy(
    dst: Tensor,
    src: Tensor,
    priority: Any = None,
    oob_mode: Any = oob_mode.error,
    dge_mode: Any = dge_mode.unknown,
    engine: Any = engine.unknown,
    name: str | None = None,
) -> None:
    """dst = cast(src) between any two of memory and SBUF, or out of PSUM; equal element counts, row-major order."""
    del dge_mode, engine, name  # how descriptors are made and which queue starts them
    if priority is not None and not 0 <= checked_integer("priority", priority) <= 3:
        raise KernelError(f"priority must be from 0 to 3, not {priority}")
    if oob_mode is not _OOB_ERROR:
        raise NotBuiltError(f"oob_mode={oob_mode}")
    transfer(dst, src)


def _check_engine(given: Any, legal: tuple[Any, ...], *tensors: Tensor) -> None:
    """Errors: an engine that does not have the instruction, or that does not reach a tensor of it."""
    if given not in (unknown_engine, *legal):
        listed = ", ".join(f"nisa.{each}" for each in legal)
        raise KernelError(f"engine must be one of {listed}, not nisa.{given}")
    far = [tensor for tensor in tensors if tensor.buffer is Buffer.PSUM]
    if given is gpsimd_engine and far:
        raise KernelError(f"engine=nisa.{given} does not reach PSUM, where {far[0]} is (NKI: nisa.tensor_copy)")


_TENSOR_TENSOR, _TENSOR_SCALAR = "NKI: nisa.tensor_tensor", "NKI: nisa.tensor_scalar"
_ACTIVATION = "NKI: nisa.activation"
_IDLE, _OOB_ERROR = reduce_cmd.idle, oob_mode.error
"""The arguments of the same name hide the classes."""


@on_assignment
def _assigned(dst: Tensor, value: Any) -> None:
    """`tensor[index] = value`: a copy of a tensor of as many elements, or a fill."""
    with current().calling("assignment"):
        if not isinstance(value, Tensor):
            fp32_bits("the value of an assignment", value)
            fill(dst, float(value))
        elif dst.buffer is Buffer.SBUF and value.buffer.on_chip:
            elementwise(Opcode.TENSOR_COPY, dst, {"src": value}, {})
        else:
            transfer(dst, value)


__getattr__ = refuse_names("nisa", ISA_NAMES)
