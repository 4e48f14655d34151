"""The three kinds of refusal: a name that NKI does not have, one that is not built here, a use that is illegal."""

from typing import Any

from makalu.spec.errors import MakaluError

from .site import Site

__all__ = [
    "KernelError",
    "KernelWarning",
    "LanguageError",
    "NoSuchModuleError",
    "NotBuiltError",
    "NotInNkiError",
    "UnbuiltModuleError",
    "places",
    "shown",
]


class LanguageError(MakaluError):
    """Base of the three. The message starts with the kind; `sites` are the lines of the kernel that led to it."""

    kind = ""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text
        self.sites: tuple[Site, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}{places(self.sites)}"


class NotInNkiError(LanguageError, AttributeError):
    """NKI (0.3 to 0.7) has no such name or argument."""

    kind = "not in NKI"


class NotBuiltError(LanguageError, AttributeError):
    """NKI has it, this project does not yet."""

    kind = "in NKI, not built here yet"


class NoSuchModuleError(LanguageError, ImportError):
    """As `NotInNkiError`, of an import."""

    kind = NotInNkiError.kind


class UnbuiltModuleError(LanguageError, ImportError):
    """As `NotBuiltError`, of an import."""

    kind = NotBuiltError.kind


class KernelError(LanguageError, ValueError):
    """The kernel breaks a rule of NKI or of the core: rule, value, and the document where the rule is published."""

    kind = "illegal"


class KernelWarning(UserWarning):
    """A kernel does what published documents call undefined; the text says what happens here."""


def places(sites: tuple[Site, ...]) -> str:
    """The kernel's line, and before it those of the helpers that it called, innermost first."""
    if not sites:
        return ""
    inner, *outer = sites
    return f" (at {inner}" + "".join(f", called from {site}" for site in outer) + ")"


def shown(value: Any, *, most: int = 80) -> str:
    """A value in one line of an error: an array has many."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object of the kernel, or an integer of more digits than Python writes
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 3]}..."
