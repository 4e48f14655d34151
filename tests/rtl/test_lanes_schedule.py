"""The order of classes in a cycle: paths through several of them without a register, and what each reads meanwhile."""

import pytest
from amaranth.hdl import Cat, Const, Signal

from makalu.sw.rtl.lanes.nets import NetlistError
from makalu.sw.rtl.lanes.schedule import Ahead, Step
from tests.rtl.lanes.designs import check, component, placed, top_of

COUNT = 5


def block(name, inputs, outputs, *, comb=lambda a: [], sync=lambda a: []):
    """A class by its statements; ports of 16 bits."""

    def logic(m, a, platform):
        m.d.comb += comb(a)
        m.d.sync += sync(a)

    return component(name, dict.fromkeys(inputs.split(), 16), dict.fromkeys(outputs.split(), 16), logic)


def top(wires, outputs, *, x=16):
    """`wires(m, t, platform)` gives the values of the outputs, each a list of words of 16 bits."""

    def logic(m, t, platform):
        for port, values in zip(outputs, wires(m, t, platform), strict=True):
            m.d.comb += getattr(t, port).eq(Cat(values))

    return component("Top", {"x": x}, {port: 16 * count for port, count in outputs.items()}, logic)


def all_of(m, platform, kind, count=COUNT):
    return placed(m, platform, kind, [f"{kind.__name__.lower()}{i}" for i in range(count)])


Mealy = block("Mealy", "i z", "o n", comb=lambda a: a.n.eq(a.i ^ a.z ^ a.o), sync=lambda a: a.o.eq(a.i + a.z))
Plain = block("Plain", "i", "o", comb=lambda a: a.o.eq(a.i * 5 + 1))
Through = block("Through", "i", "o s", comb=lambda a: a.o.eq(a.i ^ (a.i >> 3)), sync=lambda a: a.s.eq(a.s + a.i))
Passing = block("Passing", "i z", "o p", comb=lambda a: a.p.eq(a.z), sync=lambda a: a.o.eq(a.o + a.i))


def chain_read_at_once(m, t, platform):
    """The top takes what instances make of their neighbour's register and of the top's, in the same cycle."""
    made, r = all_of(m, platform, Mealy), Signal(16)
    for i, a in enumerate(made):
        m.d.comb += [a.i.eq(made[i - 1].o if i else t.x), a.z.eq(r + i)]
    m.d.sync += r.eq(r + made[4].n + made[2].n)
    return [a.o for a in made], [a.n for a in made]


def through_two_classes(m, t, platform):
    """A register of the top, two classes, the register again; the first class has no state."""
    registers = [Signal(16, name=f"r{i}") for i in range(COUNT)]
    pairs = list(zip(all_of(m, platform, Plain), all_of(m, platform, Through), strict=True))
    for r, (a, b) in zip(registers, pairs, strict=True):
        m.d.comb += [a.i.eq(r ^ t.x), b.i.eq(a.o)]
        m.d.sync += r.eq(b.o + 3)
    return registers, [b.s for _, b in pairs]


def twice_in_a_cycle(m, t, platform):
    """One class is on the way twice: out by `n`, through another class, in again."""
    made, others, r = all_of(m, platform, Twice), all_of(m, platform, Plain), Signal(16)
    for i, (a, b) in enumerate(zip(made, others, strict=True)):
        m.d.comb += [a.i.eq(r + i), b.i.eq(a.n), a.z.eq(b.o)]
    m.d.sync += r.eq(sum(a.o for a in made) + t.x)
    return [a.o for a in made], [a.s for a in made]


Twice = block(
    "Twice", "i z", "n o s", comb=lambda a: [a.n.eq(a.i + 1), a.o.eq(a.z ^ a.s)], sync=lambda a: a.s.eq(a.s + a.z + a.i)
)


def mutual(m, t, platform):
    """Two chained classes, each fed by the other's neighbour as well."""
    first, second = all_of(m, platform, Mealy), all_of(m, platform, Other)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        m.d.comb += [a.i.eq(first[i - 1].o if i else t.x), b.i.eq(second[i - 1].o if i else t.x)]
        m.d.comb += [a.z.eq(second[i - 1].o), b.z.eq(first[(i + 1) % COUNT].o)]
    return [a.o for a in first], [b.o for b in second]


Other = block("Other", "i z", "o", sync=lambda a: a.o.eq(a.i ^ (a.z << 1)))


def early_and_late(m, t, platform):
    """What one class makes of another's register is read early, the register's class steps, then the reader does."""
    made, others, r = all_of(m, platform, Mealy), all_of(m, platform, Counting), Signal(16)
    for i, (a, b) in enumerate(zip(made, others, strict=True)):
        m.d.comb += [a.i.eq(b.o), a.z.eq(r if i else t.x), b.i.eq(r + i)]
    m.d.sync += r.eq(r ^ (made[1].n + t.x))
    return [a.o for a in made], [b.o for b in others]


Counting = block("Counting", "i", "o", sync=lambda a: a.o.eq(a.i + 1))


def nothing_but_wires(m, t, platform):
    """No state in the chained class; between its instances stands another one."""
    made, others = all_of(m, platform, Plain), all_of(m, platform, Counting)
    for i, (a, b) in enumerate(zip(made, others, strict=True)):
        m.d.comb += [a.i.eq(others[i - 1].o if i else t.x), b.i.eq(a.o)]
    return [b.o for b in others], [a.o for a in made]


def constants(m, t, platform):
    """Outputs that are inputs or constants, inputs that nobody drives."""
    made, others = all_of(m, platform, Passing), all_of(m, platform, Mealy)
    for i, (a, b) in enumerate(zip(made, others, strict=True)):
        m.d.comb += [a.z.eq(t.x + i if i % 2 else 7), b.i.eq(a.p), b.z.eq(a.o if i != 1 else Const(3))]
        if i != 2:
            m.d.comb += a.i.eq(t.x)
    return [b.o for b in others], [a.o for a in made]


WIRES = (
    chain_read_at_once,
    through_two_classes,
    twice_in_a_cycle,
    mutual,
    early_and_late,
    nothing_but_wires,
    constants,
)
CLASSES = (Mealy, Plain, Through, Twice, Other, Counting, Passing)


@pytest.mark.parametrize("wires", WIRES, ids=lambda wires: wires.__name__)
def test_order(wires):
    check(top(wires, {"o": COUNT, "p": COUNT}), *CLASSES)


def test_what_is_evaluated_early():
    """Only where a class needs it, before the class's own step."""
    model = top_of(top(twice_in_a_cycle, {"o": COUNT, "p": COUNT}), *CLASSES)[1]
    kinds = [(type(event), event.module) for event in model.schedule.events if isinstance(event, (Ahead, Step))]
    early = [module for kind, module in kinds if kind is Ahead]
    assert early == ["bench", "twice", "plain", "twice"]
    assert kinds.index((Step, "bench")) == len(early)
    schedule = top_of(top(mutual, {"o": COUNT, "p": COUNT}), *CLASSES)[1].schedule
    assert not any(isinstance(event, Ahead) for event in schedule.events)


def nested():
    """A class in two others, one of which is in the other."""
    leaf = block("Leaf", "i", "o", sync=lambda a: a.o.eq(a.o + a.i))

    def middle(m, a, platform):
        (c,) = placed(m, platform, leaf, ["leaf"])
        m.d.comb += [c.i.eq(a.i + 1), a.o.eq(c.o), a.k.eq(a.i)]

    Middle = component("Middle", {"i": 16}, {"o": 16, "k": 16}, middle)

    def outer(m, a, platform):
        first, second = placed(m, platform, leaf, ["leaf0", "leaf1"])
        (inner,) = placed(m, platform, Middle, ["middle"])
        r = Signal(16)
        m.d.sync += r.eq(inner.o)
        m.d.comb += [first.i.eq(a.i ^ r), second.i.eq(first.o), inner.i.eq(second.o), a.o.eq(inner.o ^ inner.k)]

    Outer = component("Outer", {"i": 16}, {"o": 16}, outer)

    def wires(m, t, platform):
        made, others = all_of(m, platform, Outer, 3), all_of(m, platform, Middle, 3)
        for i, (a, b) in enumerate(zip(made, others, strict=True)):
            m.d.comb += [a.i.eq(b.o), b.i.eq(t.x + i)]
        return [a.o for a in made], [b.k for b in others]

    return top(wires, {"o": 3, "p": 3}), leaf, Middle, Outer


def test_classes_in_classes():
    kind, *classes = nested()
    model = check(kind, *classes)
    assert {name: model.design.count(name) for name in model.design.order} == {
        "bench": 1, "outer": 3, "middle": 6, "leaf": 12
    }  # fmt: skip


# what has no order


def ripple(m, t, platform):
    made = all_of(m, platform, Through)
    for i, a in enumerate(made):
        m.d.comb += a.i.eq(made[i - 1].o if i else t.x)
    return ([a.s for a in made],)


def loop(m, t, platform):
    (a,), (b,) = all_of(m, platform, Through, 1), all_of(m, platform, Mealy, 1)
    m.d.comb += [a.i.eq(b.n), b.i.eq(a.o), b.z.eq(t.x)]
    return ([a.s],)


def wires_alone(m, t, platform):
    """Nothing drives what two instances pass on to each other."""
    first, second = all_of(m, platform, Passing, 2)
    m.d.comb += [first.i.eq(t.x), first.z.eq(second.p), second.z.eq(first.p), second.i.eq(second.p)]
    return ([second.o],)


def looped(operation):
    """A loop inside one class, through the ports of a module that is part of it."""
    part = block("Part", "i z", "o", comb=lambda a: a.o.eq(operation(a.i, a.z)))

    def wires(m, t, platform):
        (a,) = all_of(m, platform, part, 1)
        m.d.comb += [a.i.eq(a.o), a.z.eq(t.x)]
        return ([a.o],)

    return wires


LOOPS = {
    "ripple": (ripple, COUNT),
    "classes": (loop, 1),
    "wires": (wires_alone, 1),
    "add": (looped(lambda i, z: i + z), 1),
    "xor": (looped(lambda i, z: i ^ z), 1),
    "and": (looped(lambda i, z: i & z), 1),
}


@pytest.mark.parametrize("kind", LOOPS)
def test_refused(kind):
    wires, count = LOOPS[kind]
    with pytest.raises(NetlistError, match="must not (depend on itself|form a ring)"):
        top_of(top(wires, {"o": count}), Through, Mealy, Passing)
