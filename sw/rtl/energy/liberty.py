"""The Liberty text format of cell libraries: groups of attributes and groups, and the functions of pins.

The parsers on the package index are alpha releases, or are under a licence that is not ours; what is read here is the
syntax alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from makalu.spec.errors import MakaluError

__all__ = ["Group", "LibertyError", "parse", "verilog_of"]

_TOKEN = re.compile(r'"([^"]*)"|([^\s(){}:;,"]+)|([(){}:;,])')
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_TERM = re.compile(r"\s*(\w+|[()!'^*&+| ])")


class LibertyError(MakaluError, ValueError):
    """Text that is no Liberty."""


@dataclass
class Group:
    """`kind (arguments) { ... }`; an attribute has a tuple of values, of its last definition."""

    kind: str
    arguments: tuple[str, ...]
    attributes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: "list[Group]" = field(default_factory=list)

    def all(self, *kinds: str) -> "Iterator[Group]":
        """The groups inside of these kinds, in their order."""
        return (group for group in self.groups if group.kind in kinds)

    def text(self, name: str, default: str = "") -> str:
        """An attribute of one value."""
        return " ".join(self.attributes.get(name, (default,)))

    def numbers(self, name: str) -> list[float]:
        """All numbers of an attribute, such as the rows of a table."""
        return [float(n) for value in self.attributes.get(name, ()) for n in value.replace(",", " ").split()]


def parse(text: str) -> Group:
    """The library. Errors: `LibertyError`."""
    tokens = [
        (quoted if mark == "" and word == "" else word or mark, bool(mark))
        for quoted, word, mark in _TOKEN.findall(_COMMENT.sub(" ", text).replace("\\\n", " "))
    ]
    root, at = Group("", ()), 0
    stack = [root]

    def is_mark(place: int, mark: str) -> bool:
        return place < len(tokens) and tokens[place] == (mark, True)

    while at < len(tokens):
        name, mark = tokens[at]
        at += 1
        if mark and name == "}" and len(stack) > 1:
            stack.pop()
        elif mark and name == ";":
            continue
        elif mark:
            raise LibertyError(f"no Liberty: {name!r} where a name must be, in {stack[-1].kind or 'the file'}")
        elif is_mark(at, ":") or is_mark(at, "("):
            end = ";" if is_mark(at, ":") else ")"
            first = at = at + 1
            while at < len(tokens) and not is_mark(at, end):
                at += 1
            values = tuple(value for value, mark in tokens[first:at] if not (mark and value == ","))
            at += 1
            if end == ")" and is_mark(at, "{"):
                stack[-1].groups.append(Group(name, values))
                stack.append(stack[-1].groups[-1])
                at += 1
            else:
                stack[-1].attributes[name] = values
        else:
            raise LibertyError(f"no Liberty: neither ':' nor '(' after {name!r}")
    if len(stack) > 1 or len(root.groups) != 1 or root.groups[0].kind != "library":
        raise LibertyError("no Liberty: a file is one whole library")
    return root.groups[0]


def verilog_of(function: str) -> str:
    """A pin's function as a Verilog expression: ' and ! bind closest, then ^, then AND (*, & or nothing), then OR."""
    terms = [term for term in _TERM.findall(function) if term != " "]
    at = 0

    def peek() -> str:
        return terms[at] if at < len(terms) else ""

    def take(expected: str = "") -> str:
        nonlocal at
        term = peek()
        if not term or (expected and term != expected):
            raise LibertyError(f"no function of pins: {function!r}")
        at += 1
        return term

    def factor() -> str:
        if peek() == "!":
            take()
            return f"~{factor()}"
        if peek() == "(":
            take()
            value = f"({either()})"
            take(")")
        else:
            value = take()
            if not re.fullmatch(r"\w+", value):
                raise LibertyError(f"no function of pins: {function!r}")
            value = {"0": "1'b0", "1": "1'b1"}.get(value, value)
        while peek() == "'":
            take()
            value = f"~{value}"
        return value

    def differing() -> str:
        parts = [factor()]
        while peek() == "^":
            take()
            parts.append(factor())
        return parts[0] if len(parts) == 1 else f"({' ^ '.join(parts)})"

    def both() -> str:
        parts = [differing()]
        while peek() not in ("", ")", "+", "|"):
            if peek() in ("*", "&"):
                take()
            parts.append(differing())
        return parts[0] if len(parts) == 1 else f"({' & '.join(parts)})"

    def either() -> str:
        parts = [both()]
        while peek() in ("+", "|"):
            take()
            parts.append(both())
        return parts[0] if len(parts) == 1 else f"({' | '.join(parts)})"

    expression = either()
    if peek():
        raise LibertyError(f"no function of pins: {function!r}")
    return expression
