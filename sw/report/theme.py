"""Colours by meaning: plots are drawn with a stand-in for each, and the page's CSS says what it is by day and night."""

from .totals import BUSY, HALTED, IDLE, ISSUE, MOVING, WAIT

__all__ = ["COLOURS", "FILLS", "INKS", "SERIES", "css_name", "stand_in", "themed"]

INKS: dict[str, tuple[str, str]] = {
    "text": ("#1c2430", "#e6e9ee"),
    "muted": ("#5b6675", "#9aa5b4"),
    "line": ("#d9dee6", "#333c49"),
    "accent": ("#2563c9", "#6aa5ff"),
    "second": ("#b45309", "#f0a05a"),
}
"""(light, dark) of text and lines."""

FILLS: dict[str, tuple[str, str]] = {
    # work
    ISSUE: ("#2563c9", "#5b97f5"),
    MOVING: ("#2563c9", "#5b97f5"),
    BUSY: ("#2563c9", "#5b97f5"),
    # on its way: nobody can be blamed
    "pipeline": ("#a9c4ee", "#33517f"),
    "start": ("#8fb0c9", "#3d6580"),
    "decode": ("#c3b1e6", "#5a4a86"),
    "fetch": ("#8b62c9", "#9d7be0"),
    # another instruction
    "semaphore": ("#cf4a3c", "#e2695b"),
    "after": ("#e8a33d", "#d99a3c"),
    "finish depth": ("#b0783a", "#b98a54"),
    "engine busy": ("#3f9d8f", "#46a898"),
    WAIT: ("#cf4a3c", "#e2695b"),
    # inside an engine
    "PSUM hazard": ("#b83280", "#d862a4"),
    "PSUM bank": ("#d0679b", "#c9709f"),
    "SBUF": ("#d9a520", "#cfa63f"),
    "memory latency": ("#cf4a3c", "#e2695b"),
    "memory bandwidth": ("#e58a4e", "#dc8a54"),
    "memory": ("#cf4a3c", "#e2695b"),
    # nothing to do
    IDLE: ("#e9ecf1", "#272e39"),
    HALTED: ("#e9ecf1", "#272e39"),
}
"""(light, dark) of each part of a bar."""

SERIES: tuple[str, ...] = tuple(
    FILLS[role][0] for role in (BUSY, "engine busy", "SBUF", "fetch", "PSUM hazard", "semaphore")
)
"""Of curves that only differ, in pictures on white."""

COLOURS: dict[str, tuple[str, str]] = {**INKS, **{f"part-{name}": pair for name, pair in FILLS.items()}}


def css_name(role: str) -> str:
    """Of the variable in the page's CSS."""
    return "--" + role.replace(" ", "-").lower()


def stand_in(role: str) -> str:
    """A colour that nothing else has, for a library that wants numbers."""
    return f"#fe{list(COLOURS).index(role):02x}01"


def themed(svg: str) -> str:
    """Variables for the stand-ins."""
    for role in COLOURS:
        svg = svg.replace(stand_in(role), f"var({css_name(role)})")
    return svg
