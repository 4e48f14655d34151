"""The HTML page of a run: one file that needs nothing else. Its words are in `page.html`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from makalu.spec.whole_file import write_whole

from .plots import bars, over_time, roofline_plot
from .record import RunRecord
from .summary import summary
from .theme import COLOURS, css_name
from .units import bytes_text, count, label, percent, seconds_text

__all__ = ["page", "style", "write_report"]

_FOLDER = Path(__file__).parent
_WORDS = ("queue", "opcode", "call", "line", "size", "why")
"""Columns of the table that are text: each text is in the file once."""


def write_report(record: RunRecord, path: Path) -> None:
    """The page as a file."""
    write_whole(path, page(summary(record)))


def page(facts: Mapping[str, Any]) -> str:
    """The page of a `summary`."""
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "bytes": bytes_text, "time": seconds_text, "label": label}
    environment.globals["percent"] = percent
    cycles = facts["cycles"]
    return environment.get_template("page.html").render(
        facts=facts,
        style=Markup(style()),
        script=Markup((_FOLDER / "page.js").read_text()),
        table=Markup(_embedded(_packed(facts["table"]))),
        plots={
            "over_time": Markup(over_time(facts["activity"], facts["memories"], cycles)),
            "roofline": Markup(roofline_plot(facts["roofline"])),
            "engines": Markup(bars(facts["engines"], "engine", cycles, "Each engine's cycles by cause")),
            "queues": Markup(bars(facts["queues"], "queue", cycles, "Each queue's cycles by cause")),
        },
    )


def style() -> str:
    """The CSS of a page, colours by day and night first."""
    return _colours() + (_FOLDER / "page.css").read_text()


def _colours() -> str:
    light, dark = (
        "".join(f"{css_name(role)}:{pair[night]};" for role, pair in COLOURS.items()) for night in (False, True)
    )
    return f":root{{{light}}}@media(prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _packed(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table with numbers for its texts."""
    texts: dict[str, int] = {}
    columns: Sequence[str] = table["columns"]
    words = [columns.index(name) for name in _WORDS]
    rows = []
    for row in table["rows"]:
        cells = list(row)
        for i in words:
            cells[i] = texts.setdefault(cells[i], len(texts))
        rows.append(cells)
    return {"columns": columns, "words": list(_WORDS), "texts": list(texts), "rows": rows}


def _embedded(value: Any) -> str:
    """JSON that ends no script element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
