"""Recorded operations to steps: instructions with addresses, and what each of them reads and writes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from makalu.spec.formats import E8M0, FORMATS, FP32, Format, FormatKind
from makalu.spec.isa import AP_DIMS, Opcode, Space
from makalu.spec.quantize import GROUP_ELEMENTS
from makalu.spec.sparsity import PACKED_TAGS
from makalu.spec.tensor_modes import MODES, Mode
from makalu.sw.nki.double_row import row
from makalu.sw.nki.errors import NotBuiltError
from makalu.sw.nki.recording import Operation
from makalu.sw.nki.storage import Buffer, Storage
from makalu.sw.nki.tensor import Tensor

from .patterns import ANY, Dim, Transfer, common_patterns, transfer_patterns
from .regions import Region, region_of
from .roles import MEMORY, ROLES, Roles
from .steps import Step

__all__ = ["SPACING", "Lowered", "lower"]

_SPACES = {Buffer.SBUF: Space.SBUF, Buffer.PSUM: Space.PSUM}

SPACING = 1 << 64
"""An address of memory tensor n, from 1 on, is n * SPACING + its byte in the tensor, until the image is laid out."""

_ONE = (1,) * AP_DIMS
_LONE = (1,) + (0,) * (AP_DIMS - 1)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A step, and the number of the operation that it is of."""

    step: Step
    operation: int


def lower(
    operations: Sequence[Operation],
    addresses: Mapping[Storage, int],
    memory: Mapping[Storage, int],
    *,
    most: int = ANY,
    types: Sequence[Format] = tuple(FORMATS.values()),
) -> Iterator[Lowered]:
    """Steps in program order. `addresses`: byte of each tile in its partitions; `memory`: number of each tensor;
    `most`: elements of an instruction, the preset's `sequencer.elements`; `types`: elements that the core has.
    """
    for number, operation in enumerate(operations):
        roles = ROLES[operation.opcode]
        if MEMORY in roles.tensors.values():
            steps = _transfers(operation, roles, addresses, memory, types, most)
        elif roles.turned:
            steps = iter([_turned(operation, roles, addresses)])
        else:
            steps = _instructions(operation, roles, addresses, types, most)
        yield from (Lowered(step, number) for step in steps)


def _instructions(
    operation: Operation, roles: Roles, addresses: Mapping[Storage, int], types: Sequence[Format], most: int
) -> Iterator[Step]:
    """An operation of the array, Vector or Scalar: the same elements of every operand, partition by partition."""
    names = list(roles.tensors)
    tensors = [operation.tensors[name] for name in names]
    numbers = {roles.numbers[name]: value for name, value in operation.numbers.items()}
    numbers["partitions"] = tensors[0].shape[0] if roles.columns is None else operation.tensors["moving"].shape[0]
    if roles.columns is not None:
        numbers["columns"] = operation.tensors[roles.columns].shape[0]
    kept = _kept(operation.opcode, tensors, types)
    rows = {}
    mode = MODES[Mode(operation.numbers.get("mode", Mode.SINGLE))]
    if mode.rows > 1 or mode.tagged:
        # the outermost dimension of src0 counts its rows; the elements of one are beside those of dst
        rows = {name: tensor.dims[1] for name, tensor in zip(names, tensors, strict=True) if name != "dst"}
        tensors = [row(tensor) if name in rows else tensor for name, tensor in zip(names, tensors, strict=True)]
    dims = [_elements(tensor) for tensor in tensors]
    if roles.group_scales is not None:  # a scale stays for as many elements
        dims.append([*_elements(operation.tensors["dst_scale"]), (GROUP_ELEMENTS, 0)])
    for pattern in common_patterns(dims, most=most):
        values = dict(numbers)
        reads: list[Region] = []
        writes: list[Region] = []
        for i, (name, tensor) in enumerate(zip(names, tensors, strict=True)):
            offset = tensor.start + pattern.offsets[i] * tensor.item
            sizes, strides = pattern.sizes, pattern.strides[i]
            if name in rows:
                count, step = rows[name]
                sizes, strides = _with_rows(sizes, strides, count, step // tensor.item)
            place = _slot(values, roles.tensors[name], tensor, addresses, offset, sizes, strides, kept)
            (writes if name == "dst" else reads).append(place)
            if name == "dst" and operation.numbers.get("accumulate"):
                reads.append(place)
        if roles.scales is not None and "scales" in operation.tensors:
            scales = operation.tensors["scales"]
            first = scales.start + pattern.offsets[-1]
            strides = _LONE
            reads.append(_slot(values, roles.scales, scales, addresses, first, pattern.sizes, strides))
            values[f"{roles.scales}_dtype"] = E8M0.code
        if roles.tags is not None:
            tags = operation.tensors["tags"]
            first = tags.start + pattern.offsets[0] // PACKED_TAGS * tags.item
            sizes = (pattern.sizes[0] // PACKED_TAGS, *pattern.sizes[1:])
            reads.append(_slot(values, roles.tags, tags, addresses, first, sizes, _LONE))
        if roles.group_scales is not None:
            scales = operation.tensors["dst_scale"]
            first = scales.start + pattern.offsets[-1]
            sizes, strides = (1, *pattern.sizes[1:]), (1, *pattern.strides[-1][1:])
            writes.append(_slot(values, roles.group_scales, scales, addresses, first, sizes, strides))
            values[f"{roles.group_scales}_dtype"] = E8M0.code
        for name, slot in roles.scalars.items():
            if name in operation.tensors:
                scalar = operation.tensors[name]
                values["operand0_tensor"] = 1
                reads.append(_slot(values, slot, scalar, addresses, scalar.start, _ONE, _LONE))
        yield Step(operation.opcode, values, tuple(reads), tuple(writes))


def _turned(operation: Operation, roles: Roles, addresses: Mapping[Storage, int]) -> Step:
    """A line of each tensor in a partition, each as long as the other one has partitions."""
    dst, src = operation.tensors["dst"], operation.tensors["src"]
    values = {roles.numbers[name]: value for name, value in operation.numbers.items()}
    values |= {"partitions": src.shape[0], "columns": dst.shape[0]}
    places = {}
    for name, tensor in (("dst", dst), ("src", src)):
        (size, stride), *rest = [(n, step) for n, step in _elements(tensor) if n != 1] or [(1, 1)]
        assert not rest, tensor
        line, steps = (size, *_ONE[1:]), (stride, *_LONE[1:])
        places[name] = _slot(values, roles.tensors[name], tensor, addresses, tensor.start, line, steps)
    return Step(operation.opcode, values, (places["src"],), (places["dst"],))


def _with_rows(
    sizes: Sequence[int], strides: Sequence[int], count: int, step: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """`count` rows `step` elements apart in the last dimension."""
    if sizes[-1] != 1:
        raise NotBuiltError(f"a matmul of several rows a partition over {AP_DIMS} dimensions of columns, {list(sizes)}")
    return (*sizes[:-1], count), (*strides[:-1], step if count > 1 else 0)


def _kept(opcode: Opcode, tensors: Sequence[Tensor], types: Sequence[Format]) -> Format | None:
    """A copy between equal types keeps every bit as that of another type of as many bytes, which no cast changes: of
    fp32, or of an unsigned integer where the core has it. None: as they are.
    """
    forms = {_form(tensor) for tensor in tensors}
    if opcode != Opcode.TENSOR_COPY or len(forms) > 1:
        return None
    size = forms.pop().bytes
    exact = [form for form in types if form == FP32 or (form.kind is FormatKind.INTEGER and not form.signed)]
    return next((form for form in exact if form.bytes == size), None)


def _form(tensor: Tensor) -> Format:
    """What the elements are on the chip: PSUM with no results of half a word holds fp32, whatever the kernel says."""
    return FP32 if tensor.buffer is Buffer.PSUM and tensor.storage.least == FP32.bytes else tensor.dtype


def _moved(form: Format, types: Sequence[Format]) -> Format:
    """A type of the core with as many bytes: a DMA looks at nothing else."""
    return form if form in types else next((other for other in types if other.bytes == form.bytes), form)


def _transfers(
    operation: Operation,
    roles: Roles,
    addresses: Mapping[Storage, int],
    memory: Mapping[Storage, int],
    types: Sequence[Format],
    most: int,
) -> Iterator[Step]:
    """A load or a store: rows of a tile and a view of memory with as many elements."""
    (slot, tile), (_, outside) = sorted(
        ((slot, operation.tensors[name]) for name, slot in roles.tensors.items()), key=lambda pair: pair[0] == MEMORY
    )
    dims = [(size, step // outside.item) for size, step in outside.dims]
    form = tile.dtype
    for part in transfer_patterns(tile.shape[0], _elements(tile), dims, element_bytes=form.bytes, most=most):
        values: dict[str, int] = {"partitions": part.partitions}
        offset = tile.start + part.tile_offset * tile.item
        rows = tile[part.first_partition : part.first_partition + part.partitions]
        inside = _slot(values, slot, rows, addresses, offset, part.sizes, part.tile_strides, _moved(form, types))
        beyond = _memory(values, outside, form, part, memory[outside.storage])
        loads = operation.opcode == Opcode.DMA_LOAD
        read, written = (beyond, inside) if loads else (inside, beyond)
        yield Step(operation.opcode, values, (read,), (written,))


def _elements(tensor: Tensor) -> list[Dim]:
    """Free dimensions, strides in elements of the memory that the tensor is in."""
    return [(size, step // tensor.item) for size, step in tensor.free]


def _slot(
    values: dict[str, int],
    slot: str,
    tensor: Tensor,
    addresses: Mapping[Storage, int],
    offset: int,
    sizes: Sequence[int],
    strides: Sequence[int],
    kept: Format | None = None,
) -> Region:
    """Fields of an operand on the chip, strides in its items. `kept`: as this type."""
    form = kept or _form(tensor)
    start = addresses[tensor.storage] + offset
    strides = [stride * (tensor.item // form.bytes) for stride in strides]
    values |= {
        f"{slot}_space": int(_SPACES[tensor.buffer]),
        f"{slot}_dtype": form.code,
        f"{slot}_partition": tensor.partition,
        f"{slot}_offset": start,
    }
    for d in range(AP_DIMS):
        values |= {f"{slot}_size{d}": sizes[d], f"{slot}_stride{d}": strides[d]}
    dims = [(size, stride * form.bytes) for size, stride in zip(sizes, strides, strict=True)]
    first, last = tensor.partition, tensor.partition + tensor.shape[0]
    return region_of(tensor.buffer.value, dims, low=start, run=form.bytes, first=first, last=last)


def _memory(values: dict[str, int], tensor: Tensor, form: Format, part: Transfer, number: int) -> Region:
    """Fields of the side in memory."""
    start = tensor.start + part.memory_offset * form.bytes
    strides = [stride * form.bytes for stride in (*part.memory_strides, part.memory_partition_stride)]
    values["address"] = number * SPACING + start
    values |= {f"memory_stride{d}": stride for d, stride in enumerate(strides)}
    dims = list(zip((*part.sizes, part.partitions), strides, strict=True))
    return region_of(f"memory {tensor.name}", dims, low=start, run=form.bytes)
