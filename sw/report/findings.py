"""The few sentences that a reader wants first: what bounds the kernel, and who waits for whom."""

from collections.abc import Mapping, Sequence
from typing import Any

from .totals import HALTED, IDLE, ISSUE
from .units import count, label, percent

__all__ = ["findings"]

_WORTH = 0.02
"""Of the cycles: what is less is not mentioned."""


def findings(
    cycles: int, roof: Mapping[str, Any], engines: Sequence[Mapping[str, Any]], queues: Sequence[Mapping[str, Any]]
) -> list[str]:
    """At most five sentences, the most general first."""
    out = []
    least = roof["least_cycles"]
    floor = max(least, key=lambda name: least[name])
    if least[floor]:
        what = {"array": "The array needs", "memory": "The memory and its port need"}[floor]
        times = f"{cycles / least[floor]:.2f} times"
        out.append(f"{what} at least {count(least[floor])} cycles for this work; the run took {times} as long.")
    busiest = max(engines, key=lambda engine: engine["busy"], default=None)
    if busiest is not None:
        held = {part: n for part, n in busiest["parts"].items() if part != IDLE and n >= _WORTH * cycles}
        parts = ", ".join(f"{part} {percent(n, cycles)}" for part, n in sorted(held.items(), key=lambda i: -i[1])[:3])
        share, split = percent(busiest["busy"], cycles), f" ({parts})" if parts else ""
        out.append(f"Busiest is {label(busiest['engine'])}, {share} of the cycles{split}.")
    stalls = []
    for queue in queues:
        causes = {part: n for part, n in queue["parts"].items() if part not in (ISSUE, HALTED)}
        if causes:
            cause = max(causes, key=lambda part: causes[part])
            stalls.append((causes[cause], queue, cause))
    for amount, queue, cause in sorted(stalls, key=lambda stall: -stall[0])[:3]:
        if amount >= _WORTH * cycles:
            name, share = label(queue["queue"]), percent(amount, cycles)
            out.append(f"The {name} queue stood still for {share} of the cycles: {_because(queue, cause)}.")
    return out


def _because(queue: Mapping[str, Any], cause: str) -> str:
    if cause == "semaphore":
        name, amount = next(iter(queue["waits_for"].items()))
        return f"it waited for other instructions, most of it ({count(amount)} cycles) for {label(name)}"
    return {
        "engine busy": "its engine was still busy with the instruction before",
        "finish depth": "as many instructions as its channel can hold had not finished",
        "after": "earlier instructions of the queue had to finish first",
        "fetch": "its next instruction had not arrived from memory",
        "decode": "its next instruction was being decoded",
    }.get(cause, "the trace does not say why")
