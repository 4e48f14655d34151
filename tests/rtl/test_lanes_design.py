"""Wires between the instances of classes: what the compiler takes for a chain or a grid, and what it refuses."""

import os
import random
import subprocess
import sys

import pytest
from amaranth.hdl import Cat, Const

from makalu.sw.paths import ROOT
from makalu.sw.rtl.lanes.design import Grid
from makalu.sw.rtl.lanes.nets import NetlistError
from tests.rtl.lanes.designs import check, component, placed, top_of
from tests.rtl.test_lanes_faults import Top

WIDTHS = (1, 2, 31, 32, 33, 64, 65)


def names(count, seed=None):
    """Of instances; shuffled, the order of the compiler is not that of the wires."""
    out = [f"a{i}" for i in range(count)]
    if seed is not None:
        random.Random(seed).shuffle(out)
    return out


def adding(*widths):
    """For each width: o takes i and k, and what it was."""

    def logic(m, a, _):
        for n in range(len(widths)):
            m.d.sync += getattr(a, f"o{n}").eq(getattr(a, f"o{n}") + getattr(a, f"i{n}") * 3 + a.k)

    inputs = {f"i{n}": width for n, width in enumerate(widths)} | {"k": 4}
    return component("A", inputs, {f"o{n}": width for n, width in enumerate(widths)}, logic)


def outputs_of(made):
    return Cat(value for a in made for name, value in vars(a).items() if name[0] == "o")


def test_broadcast_and_constants():
    """A word of each width for all instances, and a constant of its own for each; 7 of 2 x 4 lanes."""
    A, count = adding(*WIDTHS), 7

    def wires(m, t, platform):
        made = placed(m, platform, A, names(count))
        for i, a in enumerate(made):
            m.d.comb += [getattr(a, f"i{n}").eq(t.x >> n) for n in range(len(WIDTHS))]
            m.d.comb += a.k.eq(2 * i + 1)
        m.d.comb += t.o.eq(outputs_of(made))

    model = check(component("Top", {"x": 72}, {"o": count * sum(WIDTHS)}, wires), A)
    inputs = {key: entry for key, entry in model.layout.inputs.items() if key[0] == "a"}
    assert all((entry.broadcast is None) is (key[1] == "k") for key, entry in inputs.items())


def chains(widths, lengths, seed):
    """Chains side by side, each behind the input."""
    A = adding(*widths)

    def wires(m, t, platform):
        made = placed(m, platform, A, names(sum(lengths), seed))
        m.d.comb += t.o.eq(outputs_of(made))
        for length in lengths:
            before = None
            for _ in range(length):
                a = made.pop()
                for n in range(len(widths)):
                    m.d.comb += getattr(a, f"i{n}").eq(t.x >> n if before is None else getattr(before, f"o{n}"))
                m.d.comb += a.k.eq(length)
                before = a

    return component("Top", {"x": 72}, {"o": sum(widths) * sum(lengths)}, wires), A


@pytest.mark.parametrize(
    ("lengths", "seed"),
    [((1, 1), None), ((6,), None), ((9,), 5), ((4, 4, 4), 5), ((3, 2, 1), 5), ((9, 2, 5), None), ((9, 2, 5), 5)],
)
def test_chains(lengths, seed):
    """Several heads and unequal lengths, of more and of fewer instances than lanes, in and out of order."""
    grid = check(*chains([17], lengths, seed)).design.grids["a"]
    assert (grid.rows, grid.length) == ((1, 2) if max(lengths) == 1 else (len(lengths), max(lengths)))


def test_chain_of_every_width():
    check(*chains(WIDTHS, (6,), 1))


Cell = component(
    "Cell",
    {"x": 9, "y": 40},
    {"right": 9, "down": 40, "s": 40},
    lambda m, c, _: m.d.sync.__iadd__([c.right.eq(c.x + 1), c.down.eq(c.y ^ c.x), c.s.eq(c.s + c.x * c.y)]),
)


@pytest.mark.parametrize(("rows", "columns", "seed"), [(3, 6, None), (5, 2, 3), (2, 9, 3)])
def test_grid(rows, columns, seed):
    def wires(m, t, platform):
        made = placed(m, platform, Cell, names(rows * columns, seed))
        for i in range(rows):
            for j in range(columns):
                cell, n = made[i * columns + j], i * columns + j
                m.d.comb += [
                    cell.x.eq(made[n - 1].right if j else t.x.word_select(i, 9)),
                    cell.y.eq(made[n - columns].down if i else t.y.word_select(j, 40)),
                    t.s.word_select(n, 40).eq(cell.s),
                ]

    top = component("Top", {"x": 9 * rows, "y": 40 * columns}, {"s": 40 * rows * columns}, wires)
    grid = check(top, Cell).design.grids["cell"]
    assert {grid.rows, grid.length} == {rows, columns} and grid.chained


Two = component("Two", {"i": 16, "z": 16}, {"o": 16, "p": 16}, lambda m, a, _: two(m, a))


def two(m, a):
    m.d.sync += [a.o.eq(a.i + a.z + 1), a.p.eq(a.o - a.z)]


def several(feeds, outputs=16, count=6):
    """A top with `count` of them; `feeds(made, t, i)` gives what instance i takes."""

    def wires(m, t, platform):
        made = placed(m, platform, Two, names(count))
        for i, a in enumerate(made):
            left, right = feeds(made, t, i)
            m.d.comb += [a.i.eq(left), a.z.eq(right)]
        m.d.comb += t.o.eq(Cat(Cat(a.o, a.p) for a in made))

    return component("Top", {"x": 16, "y": 16}, {"o": 2 * count * outputs}, wires)


REFUSED = {
    "ring": (lambda made, t, i: (made[i - 1].o, t.x), "ring"),
    "itself": (lambda made, t, i: (made[i].o, t.x), "ring"),
    "two-neighbours": (
        lambda made, t, i: (Cat(made[i - 1].o[:8], made[i - 2].o[8:]) if i > 1 else t.x, t.y),
        "one neighbour",
    ),
    "some-chained": (lambda made, t, i: (made[i - 1].o if i else t.x, made[i - 1].o if i % 2 else t.y), "neighbours"),
    "three-ways": (
        lambda made, t, i: (
            Cat(made[i - 1].o[:8] if i else t.x[:8], t.x[8:]) if i != 3 else t.x,
            made[i - 2].o if i > 1 else t.y,
        ),
        "neighbours",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind):
    feeds, rule = REFUSED[kind]
    with pytest.raises(NetlistError, match=rule):
        top_of(several(feeds), Two)


TAKEN = {
    "heads-differ": lambda made, t, i: (made[i - 1].o if i % 4 else (t.x, None, None, None, Const(0x1234, 16))[i], t.y),
    "backward": lambda made, t, i: (made[i + 1].o if i < 5 else t.x, t.y + i),
    "two-outputs": lambda made, t, i: (made[i - 1].o if i else t.x, made[i - 1].p if i else t.y),
    "parts-of-one": lambda made, t, i: (made[i - 1].o[:8] if i else t.x, made[i - 1].o[8:] if i else t.y),
    "same-output-twice": lambda made, t, i: (made[i - 1].o if i else t.x, made[i - 1].o if i else t.y),
    "same-bits-twice": lambda made, t, i: (made[i - 1].o[3:] if i else t.x, made[i - 1].o[5:] if i else Const(9, 16)),
    "two-and-a-half": lambda made, t, i: (Cat(made[i - 1].o[4:9] if i else t.x[:5], t.y[i:]), t.x >> i),
}
"""Chains whose first instances take what is their own where the others take the same word of their neighbour."""


@pytest.mark.parametrize("kind", TAKEN)
def test_chain_inputs(kind):
    check(several(TAKEN[kind]), Two)


def test_an_instance_alone():
    """Its place is the only one."""
    assert check(several(lambda made, t, i: (t.x, t.y), count=1), Two).design.grids["two"] == Grid(
        ((0, 0),), 1, 1, False
    )


TEXT = """
from tests.rtl.lanes.designs import top_of
from tests.rtl.test_lanes_faults import Top
print(top_of(Top)[1].files)
"""


def test_the_text_does_not_depend_on_the_order_of_sets():
    """So that a build is found again, and two builds of one core are the same program."""
    other = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", TEXT], env=other, capture_output=True, text=True, check=True)
    assert run.stdout == f"{top_of(Top)[1].files}\n" and len(run.stdout) > 10_000
