"""`Tensor.rearrange`: dimensions by name, split, reordered and merged as in einops."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from .checks import checked_integer
from .errors import KernelError, shown

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["rearranged"]


def rearranged(tensor: "Tensor", source: Any, target: Any, fixed: Mapping[str, int]) -> "Tensor":
    """A view of `tensor`: `source` names its dimensions (a tuple of names splits one), `target` those of the result.

    Errors: names that differ, sizes that do not fit, dimensions that cannot be merged as a view.
    """
    if not isinstance(fixed, Mapping):
        raise KernelError(f"{tensor}: rearrange takes sizes by name, not {shown(fixed)}")
    for name, size in fixed.items():
        if checked_integer(f"{tensor}: rearrange: size {shown(name)}", size) < 1:
            raise KernelError(f"{tensor}: rearrange: size {shown(name)} must be at least 1, not {size}")
    groups, wanted = _groups(tensor, source), _groups(tensor, target)
    names = [name for group in groups for name in group]
    if sorted(names) != sorted(name for group in wanted for name in group) or len(set(names)) != len(names):
        text = f"{shown(source)} and {shown(target)}"
        raise KernelError(f"{tensor}: rearrange needs the same names on both sides, not {text}")
    if len(groups) != tensor.ndim:
        raise KernelError(f"{tensor}: rearrange names {len(groups)} dimensions of {tensor.ndim}")
    sizes: dict[str, int] = {}
    for group, size in zip(groups, tensor.shape, strict=True):
        known = prod(fixed[name] for name in group if name in fixed)
        open_names = [name for name in group if name not in fixed]
        if len(open_names) > 1 or size % known or (not open_names and known != size):
            raise KernelError(f"{tensor}: rearrange: {list(group)} with sizes {dict(fixed)} does not make {size}")
        sizes |= {name: fixed.get(name, size // known) for name in group}
    split = tensor.reshape(tuple(sizes[name] for name in names))
    moved = split.permute(tuple(names.index(name) for group in wanted for name in group))
    return moved.reshape(tuple(prod(sizes[name] for name in group) for group in wanted))


def _groups(tensor: "Tensor", pattern: Any) -> list[tuple[str, ...]]:
    if not isinstance(pattern, tuple | list):
        raise KernelError(f"{tensor}: rearrange takes tuples of names, not {shown(pattern)}")
    groups = [(item,) if isinstance(item, str) else item for item in pattern]
    for group in groups:
        if not isinstance(group, tuple | list) or not all(isinstance(name, str) for name in group):
            raise KernelError(f"{tensor}: rearrange takes names and tuples of names, not {shown(pattern)}")
    return [tuple(group) for group in groups]
