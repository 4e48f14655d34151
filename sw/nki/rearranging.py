"""`Tensor.rearrange`: dimensions by name, split, reordered and merged as in einops."""

from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from .errors import KernelError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["rearranged"]


def rearranged(tensor: "Tensor", source: Any, target: Any, fixed: Mapping[str, int]) -> "Tensor":
    """A view of `tensor`: `source` names its dimensions (a tuple of names splits one), `target` those of the result.

    Errors: names that differ, sizes that do not fit, dimensions that cannot be merged as a view.
    """
    groups, wanted = _groups(tensor, source), _groups(tensor, target)
    names = [name for group in groups for name in group]
    if sorted(names) != sorted(name for group in wanted for name in group) or len(set(names)) != len(names):
        raise KernelError(f"{tensor}: rearrange needs the same names on both sides, not {source!r} and {target!r}")
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
        raise KernelError(f"{tensor}: rearrange takes tuples of names, not {pattern!r}")
    return [(item,) if isinstance(item, str) else tuple(item) for item in pattern]
