"""Comparison of RTL ports with the lockstep model: the first cycle and port that differ, and both values."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from verif.lib.pack import field_at, meaning, pack

__all__ = ["Known", "after", "compare"]

Sampled = int | None | tuple[int, int]
"""A port's value, None if any bit is X or Z; or its value with 0 for those bits, and their mask."""


class Known(NamedTuple):
    """A model's output of which only the bits of `mask` are known; both in the port's form."""

    value: Any
    mask: Any


def after(block: str, tags: Mapping[str, int]) -> str:
    """`compare`'s tag for a block with instructions: `tags` are those last issued to each of its queues or engines."""
    named = ", ".join(f"{name} {tag}" for name, tag in tags.items()) or "none"
    return f"{block}, last tags issued: {named}"


def compare(
    cycle: int,
    rtl: Mapping[str, Sampled],
    model: Mapping[str, Any],
    tag: str | Callable[[], str] = "",
    *,
    layouts: Mapping[str, Any] | None = None,
    whole: Collection[str] = (),
) -> None:
    """Every port that the model names has the same value in the RTL, where it means something.

    Nothing is compared of a port that the model gives as None, of a channel's payload (`x__data`) beside a valid that
    is 0 (`x__valid`), of a beat's bytes without strobe, and of what a `GatedLayout` shuts. The model's gates decide;
    gates themselves are always compared, so the RTL's are the same. X counts as different where something is compared.

    Does not: tolerate anything else, nor ignore ports: a name on one side only is a difference too.

    Parameters
    ----------
    cycle
        Cycle that both sides show, for the message.
    rtl, model
        Values by port name.
    tag
        Which instance or scenario, or what says it; in front of the message.
    layouts
        Shapes by port name; without one the model's value is a number.
    whole
        Ports that are compared whatever their gates say: where the model knows more.

    Raises
    ------
    AssertionError
        Names cycle, port with field, and both values of the first that differs (in the model's order), and how many
        more ports do.
    """
    layouts, wrong = layouts or {}, []
    if rtl.keys() != model.keys():
        raise AssertionError(f"{_head(tag)}cycle {cycle}: ports of one side only: {sorted(rtl.keys() ^ model.keys())}")
    for name, given in model.items():
        if given is None:
            continue
        layout = layouts.get(name)
        value, mask = given if isinstance(given, Known) else (given, -1)
        value = int(value) if layout is None else pack(layout, value)
        mask = mask if isinstance(mask, int) else pack(layout, mask)
        found = rtl[name]
        shown, unknown = found if isinstance(found, tuple) else (0, -1) if found is None else (int(found), 0)
        differs = ((shown ^ value) | unknown) & mask
        if differs and name not in whole:
            differs &= _carried(name, model) & (-1 if layout is None else meaning(layout, value))
        if differs:
            wrong.append((name, layout, shown, unknown, value, differs))
    if wrong:
        name, layout, shown, unknown, value, differs = wrong[0]
        bit = (differs & -differs).bit_length() - 1
        path, low, width = ("", 0, max(shown, value, 1).bit_length()) if layout is None else field_at(layout, bit)
        field = (1 << width) - 1
        lost = differs & unknown and (differs & unknown) >> low & field
        text = "undefined (X or Z)" if lost else f"{shown >> low & field:#x}"
        more = f" ({len(wrong) - 1} more ports differ: {[w[0] for w in wrong[1:5]]})" if len(wrong) > 1 else ""
        raise AssertionError(
            f"{_head(tag)}cycle {cycle}, port {name}{path}: RTL {text}, model {value >> low & field:#x}{more}"
        )


def _head(tag: str | Callable[[], str]) -> str:
    text = tag if isinstance(tag, str) else tag()
    return f"{text}: " if text else ""


def _carried(name: str, model: Mapping[str, Any]) -> int:
    """Mask by the channel's valid and strobe, for a port `channel__member`."""
    channel, _, member = name.rpartition("__")
    valid = model.get(f"{channel}__valid", 1)
    if member in ("valid", "ready") or valid is None:
        return -1
    strobe = model.get(f"{channel}__strb") if member == "data" else None
    if not valid or strobe is None:
        return -1 if valid else 0
    return sum(0xFF << (8 * b) for b in range(int(strobe).bit_length()) if strobe >> b & 1)
