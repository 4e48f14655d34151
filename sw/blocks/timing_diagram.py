"""A timing diagram as SVG: a lane a signal, a column a cycle. The same diagram gives the same bytes.

Colours are the report's (`sw/report/theme.py`), by day and by night, on a ground of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from makalu.sw.report.theme import INKS

__all__ = ["Lane", "Span", "timing_diagram"]

_NAMES, _CELLS, _ROW, _TOP, _EDGE = 152, 860, 24, 34, 12
"""Widths of the names and of all cells, heights of a lane and of the cycles' line, margin [px]."""
_CHARACTER = 5.9
"""Width of one in a cell [px], about."""
_GROUND = ("#ffffff", "#161b22")
_CELL = ("#e8effb", "#1d3256")


@dataclass(frozen=True)
class Lane:
    """A signal: True or False in each cycle, or a text where it carries something and None where not.

    Equal texts side by side are one cell.
    """

    name: str
    values: Sequence[bool] | Sequence[str | None]


@dataclass(frozen=True)
class Span:
    """From the beginning of one cycle to that of another, with what lies between; a lane of its own."""

    first: int
    last: int
    text: str


def timing_diagram(title: str, first: int, lanes: Sequence[Lane | Sequence[Span]]) -> str:
    """SVG of signals from cycle `first` on; cycles of spans count like `first`.

    Errors: `ValueError` for lanes of different length, or for a text that does not fit into its cell.
    """
    (count,) = {len(lane.values) for lane in lanes if isinstance(lane, Lane)}
    width = min(32, _CELLS // count)
    across, down = _NAMES + width * count + 2 * _EDGE, _TOP + _ROW * len(lanes) + _EDGE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across} {down}" '
        'font-family="DejaVu Sans, Arial, sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f"<style>{_style(0)}@media (prefers-color-scheme: dark){{{_style(1)}}}</style>",
        f'<rect class="ground" width="{across}" height="{down}" rx="6"/>',
    ]
    bottom = down - _EDGE + 4
    for i in range(count + 1):
        x = _NAMES + _EDGE + width * i
        out.append(f'<path class="grid" d="M{x} {_TOP - 6}V{bottom}"/>')
        if i < count:
            out.append(f'<text class="muted" x="{x + width / 2:g}" y="{_TOP - 12}" text-anchor="middle">{i}</text>')
    out.append(f'<text class="muted" x="{_EDGE}" y="{_TOP - 12}">cycle</text>')
    for row, lane in enumerate(lanes):
        y = _TOP + _ROW * row
        if not isinstance(lane, Lane):
            for span in lane:
                out += _span(span, first, width, y)
            continue
        out.append(f'<text class="text" x="{_EDGE}" y="{y + 16}">{escape(lane.name)}</text>')
        is_bit = all(isinstance(value, bool) for value in lane.values)
        out += [_bit(lane, width, y)] if is_bit else _cells(lane, width, y)
    return "\n".join([*out, "</svg>"]) + "\n"


def _style(night: int) -> str:
    text, muted, line, accent, second = (INKS[role][night] for role in ("text", "muted", "line", "accent", "second"))
    rules = {
        ".ground": f"fill:{_GROUND[night]}",
        ".text": f"fill:{text}",
        ".muted": f"fill:{muted};font-size:9px",
        ".grid": f"stroke:{line};stroke-width:.6",
        ".bit": f"fill:none;stroke:{accent};stroke-width:1.6",
        ".cell": f"fill:{_CELL[night]};stroke:{accent}",
        ".idle": f"stroke:{muted};stroke-width:1",
        ".span": f"fill:none;stroke:{second};stroke-width:1.3",
        ".note": f"fill:{second};font-size:10px",
    }
    return "".join(f"{name}{{{rule}}}" for name, rule in rules.items())


def _x(cycle: float, width: int) -> float:
    return _NAMES + _EDGE + width * cycle


def _runs(values: Sequence[bool] | Sequence[str | None]) -> Iterator[tuple[int, int, bool | str | None]]:
    """(begin, end, value) of runs of equal values."""
    at = 0
    for value, group in groupby(values):
        length = len(list(group))
        yield at, at + length, value
        at += length


def _bit(lane: Lane, width: int, y: int) -> str:
    high, low = y + 5, y + _ROW - 5
    path = ""
    for begin, end, value in _runs(lane.values):
        level = high if value else low
        path += f"{'V' if path else f'M{_x(begin, width):g} '}{level}H{_x(end, width):g}"
    return f'<path class="bit" d="{path}"/>'


def _cells(lane: Lane, width: int, y: int) -> list[str]:
    out = []
    middle = y + _ROW / 2
    for begin, end, value in _runs(lane.values):
        x, across = _x(begin, width), width * (end - begin)
        if value is None:
            out.append(f'<path class="idle" d="M{x:g} {middle:g}h{across}"/>')
            continue
        text = str(value)
        if len(text) * _CHARACTER > across:
            raise ValueError(f"{text!r} of {lane.name} is too long for {end - begin} cycles")
        out.append(f'<rect class="cell" x="{x + 1:g}" y="{y + 4}" width="{across - 2}" height="{_ROW - 8}" rx="4"/>')
        out.append(
            f'<text class="text" font-size="10" x="{x + across / 2:g}" y="{middle + 3.5:g}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
    return out


def _span(span: Span, first: int, width: int, y: int) -> list[str]:
    begin, end = _x(span.first - first, width), _x(span.last - first, width)
    middle = y + _ROW / 2
    arrow = f"M{begin:g} {middle - 6:g}v12M{end:g} {middle - 6:g}v12M{begin:g} {middle:g}H{end:g}"
    heads = f"m-5 -3l5 3l-5 3M{begin + 5:g} {middle - 3:g}l-5 3l5 3"
    return [
        f'<path class="span" d="{arrow}{heads}"/>',
        f'<text class="note" x="{end + 5:g}" y="{middle + 3.5:g}">{escape(span.text)}</text>',
    ]
