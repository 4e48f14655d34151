"""Arrays of numpy, ml_dtypes and torch as inputs and outputs of a kernel."""

import sys
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from makalu.spec.formats import FORMATS, Format
from makalu.sw.elements import Bits, ElementError, from_bits, to_bits
from makalu.sw.nki.dtypes import checked_dtype, format_of
from makalu.sw.nki.errors import KernelError

__all__ = ["from_torch", "input_bits", "is_array", "is_torch", "like", "output_array", "output_type"]


def _numpy(form: Format) -> np.dtype[Any]:
    if form.elements > 1:
        return np.dtype(f"u{form.bytes}")
    return np.dtype(np.float32 if form.padding else getattr(ml_dtypes, form.long_name, form.long_name))


_NUMPY = {form: _numpy(form) for form in FORMATS.values()}
"""ml_dtypes has those that numpy lacks, under the same names as torch; numbers with padding (tf32) are float32, packed
ones the bits of their containers."""


def is_torch(value: Any) -> bool:
    """A tensor of torch, without importing it."""
    kind = getattr(sys.modules.get("torch"), "Tensor", None)
    return isinstance(kind, type) and isinstance(value, kind)


def is_array(value: Any) -> bool:
    """What becomes a tensor in memory."""
    return (isinstance(value, np.ndarray) and value.ndim > 0) or is_torch(value)


def from_torch(value: Any) -> NDArray[Any]:
    """The values of a torch tensor; types that numpy lacks as ml_dtypes has them."""
    host = value.detach().cpu()
    kind = getattr(ml_dtypes, str(host.dtype).removeprefix("torch."), None)
    if kind is not None:
        bits = getattr(sys.modules["torch"], f"int{8 * host.element_size()}")
        return np.asarray(host.contiguous().view(bits).numpy().view(kind))
    return np.asarray(host.numpy())


def input_bits(name: str, array: Any) -> tuple[Format, Bits]:
    """Element type and bits of an array; the type is the array's own. Errors: a type that the core does not have."""
    values = from_torch(array) if is_torch(array) else array
    if isinstance(values, np.ma.MaskedArray):
        raise ElementError(f"argument {name} is a masked array; the core has no masks")
    if values.dtype == np.float64:  # what numpy makes unless told otherwise
        raise KernelError(f"argument {name} is float64, which the core does not have: give {name}.astype(np.float32)")
    form = checked_dtype(f"argument {name}", format_of(values.dtype) or values.dtype)
    if values.size == 0:
        raise ElementError(f"argument {name} is empty: shape {list(values.shape)}")
    return form, Bits(to_bits(values, form, f"argument {name}"))


def output_type(form: Format) -> np.dtype[Any]:
    """numpy's or ml_dtypes' type of an element, which has each of its numbers."""
    return _NUMPY[form]


def output_array(bits: NDArray[np.unsignedinteger], form: Format) -> NDArray[Any]:
    """Element bits as values of their own type."""
    return from_bits(bits, form) if form.padding else np.ascontiguousarray(bits).view(_NUMPY[form])


def like(array: NDArray[Any], torch_wanted: bool) -> Any:
    """As a torch tensor where the inputs were."""
    if not torch_wanted:
        return array
    torch = sys.modules["torch"]
    if hasattr(ml_dtypes, array.dtype.name):
        bits = torch.from_numpy(array.view(f"i{array.dtype.itemsize}").copy())
        return bits.view(getattr(torch, array.dtype.name))
    return torch.from_numpy(array.copy())
