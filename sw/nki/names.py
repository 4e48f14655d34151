"""Names of the kernel language that are not built: the error says so, and what there is."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from makalu.hw.spec.errors import MakaluError

__all__ = ["NotBuiltError", "refuse_names"]


class NotBuiltError(MakaluError, AttributeError):
    """A kernel uses a name that `nl` or `nisa` does not have."""


def refuse_names(module: str, names: Sequence[str]) -> Callable[[str], Any]:
    """`__getattr__` of a module that has `names`."""

    def refuse(name: str) -> NoReturn:
        raise NotBuiltError(f"{module}.{name} is not built; {module} has {', '.join(names)}")

    return refuse
