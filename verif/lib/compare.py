"""Comparison of RTL ports with the lockstep model: the first cycle and port that differ, and both values."""

from collections.abc import Mapping

__all__ = ["after", "compare", "compare_masked"]


def after(block: str, tags: Mapping[str, int]) -> str:
    """`compare`'s tag for a block with instructions: `tags` are those last issued to each of its queues or engines."""
    named = ", ".join(f"{name} {tag}" for name, tag in tags.items()) or "none"
    return f"{block}, last tags issued: {named}"


def _text(value: int | None) -> str:
    return "undefined (X or Z)" if value is None else f"{value:#x}"


def compare(cycle: int, rtl: Mapping[str, int | None], model: Mapping[str, int], tag: str = "") -> None:
    """Every port that the model names has the same value in the RTL.

    Does not: tolerate anything, nor ignore ports: a name on one side only is a difference too.

    Parameters
    ----------
    cycle
        Cycle that both sides show, for the message.
    rtl, model
        Values by port name; `None` on the RTL's side is an X or Z.
    tag
        Which instance or scenario; in front of the message.

    Raises
    ------
    AssertionError
        Names cycle, port and both values of the first port that differs (in the model's order), and how many more do.
    """
    head = f"{tag}: " if tag else ""
    only_rtl, only_model = sorted(set(rtl) - set(model)), sorted(set(model) - set(rtl))
    assert not only_rtl, f"{head}cycle {cycle}: ports {only_rtl} are sampled, but the model does not have them"
    assert not only_model, f"{head}cycle {cycle}: ports {only_model} are in the model, but not sampled"
    wrong = [name for name, value in model.items() if rtl[name] is None or int(rtl[name] or 0) != int(value)]
    if wrong:
        name = wrong[0]
        more = f" ({len(wrong) - 1} more ports differ: {wrong[1:5]})" if len(wrong) > 1 else ""
        raise AssertionError(
            f"{head}cycle {cycle}, port {name}: RTL {_text(rtl[name])}, model {_text(int(model[name]))}{more}"
        )


def compare_masked(
    cycle: int,
    rtl: Mapping[str, int | None],
    model: Mapping[str, int],
    valid: Mapping[str, bool],
    tag: str = "",
) -> None:
    """As `compare`, but a port whose `valid` is false carries nothing in this cycle and is left out on both sides.

    A port that `valid` does not name is always compared. For data ports that are undefined while nobody drives them
    (a memory's output before the first read); never for control.
    """
    shown = {name for name in model if valid.get(name, True)}
    unknown = sorted(set(valid) - set(model))
    assert not unknown, f"{tag}: validity is given for ports {unknown}, but the model does not have them"
    compare(
        cycle,
        {name: value for name, value in rtl.items() if name in shown or name not in model},
        {name: value for name, value in model.items() if name in shown},
        tag,
    )
