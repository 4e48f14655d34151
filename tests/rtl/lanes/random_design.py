"""A random small design: classes with any logic, registers and memories, and any wires between their instances."""

import random
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory

from tests.rtl.lanes.designs import component, placed

__all__ = ["random_design"]

PORTS = (1, 1, 2, 5, 8, 16, 31, 32, 33, 34, 64, 65)
REGISTERS = (1, 3, 8, 32, 33, 40)
MOST_BITS = 70
INPUTS = {"x": 64, "y": 33, "z": 5}


def _cut(value: Value, bits: int = MOST_BITS) -> Value:
    return value[:bits] if len(value) > bits else value


def _expression(r: random.Random, pool: list[Value], depth: int = 3) -> Value:
    """Any operation on values of the pool."""
    if not depth or r.random() < 0.2:
        return r.choice(pool)

    def one() -> Value:
        return _expression(r, pool, depth - 1)

    def part() -> Value:
        value = one()
        low = r.randrange(len(value))
        return value[low : r.randint(low + 1, len(value))]

    choices = (
        lambda: one() + one(),
        lambda: one() - one(),
        lambda: one() & one(),
        lambda: one() | one(),
        lambda: one() ^ one(),
        lambda: ~one(),
        lambda: Mux(one().any(), one(), one()),
        part,
        lambda: _cut(Cat(one(), one())),
        lambda: one() == one(),
        lambda: one() < one(),
        lambda: one()[:20].as_signed() >> one()[:4],
        lambda: one() >> one()[:6],
        lambda: (one()[:40] << one()[:4])[:64],
        lambda: (one()[:40].as_signed() << one()[:4])[:64],
        lambda: one()[:20] * one()[:20],
        lambda: one()[:33].as_signed(),
        lambda: Cat(one()).bit_select(one()[:5], r.randint(1, 9)),
        lambda: Const(r.getrandbits(12), r.randint(1, 40)),
    )
    return _cut(Value.cast(r.choice(choices)()))


def _class(name: str, seed: int) -> tuple[type, dict[str, int], dict[str, int]]:
    """A class and its ports; some outputs hang on registers alone, others on inputs."""
    r = random.Random(seed)
    inputs = {f"i{k}": r.choice(PORTS) for k in range(r.randint(1, 4))}
    outputs = {f"o{k}": r.choice(PORTS) for k in range(r.randint(1, 4))}
    stateless, at_once, with_memory = r.random() < 0.2, r.choice((0.0, 0.4, 1.0)), r.random() < 0.35

    def logic(m: Module, a: Any, _: Any) -> None:
        r = random.Random(seed + 1)
        given = [getattr(a, port) for port in inputs]
        kept = [] if stateless else [_register(r, k) for k in range(r.randint(1, 4))]
        pool, stored = [*given, *kept], list(kept)
        if with_memory and not stateless:
            stored.append(_memory(r, m, pool, kept if r.random() < 0.6 else pool))
            pool.append(stored[-1])
        for k in range(r.randint(0, 3)):
            between = Signal(r.choice(PORTS), name=f"between{k}")
            m.d.comb += between.eq(_expression(r, pool))
            pool.append(between)
        for register in kept:
            with m.If(_expression(r, pool).any() if r.random() < 0.5 else Const(1)):
                m.d.sync += register.eq(_expression(r, pool))
        for port in outputs:
            known = pool if not stored or r.random() < at_once else stored
            m.d.comb += getattr(a, port).eq(_expression(r, known, r.choice((0, 3))))

    return component(name, inputs, outputs, logic), inputs, outputs


def _register(r: random.Random, number: int) -> Signal:
    return Signal(r.choice(REGISTERS), name=f"r{number}", init=r.getrandbits(1), reset_less=r.random() < 0.5)


def _memory(r: random.Random, m: Module, pool: list[Value], address: list[Value]) -> Value:
    """What a read port shows."""
    width, depth = r.choice((1, 8, 32, 33)), r.choice((2, 3, 4, 8))
    m.submodules.memory = words = memory.Memory(
        shape=width, depth=depth, init=[r.getrandbits(width) for _ in range(depth)]
    )
    write, read = words.write_port(), words.read_port(domain=r.choice(("comb", "sync")))
    m.d.comb += [write.addr.eq(_expression(r, pool)), write.data.eq(_expression(r, pool))]
    m.d.comb += [
        write.en.eq(_expression(r, pool).any() & _expression(r, pool)[0]),
        read.addr.eq(_expression(r, address)),
    ]
    return read.data


def random_design(seed: int) -> tuple[type, list[type]]:
    """The top and the classes in it. Not every one has an order, or rows and columns."""
    r = random.Random(seed)
    classes = [
        (*_class(name, 10 * seed + k), r.choice((1, 2, 3, 4, 5, 6, 9)))
        for k, name in enumerate("ABC"[: r.randint(1, 3)])
    ]

    def wires(m: Module, t: Any, platform: Any) -> None:
        r = random.Random(seed + 1)
        own = [_register(r, k) for k in range(r.randint(1, 4))]
        base = [t.x, t.y, t.z, *own]
        made = []
        for kind, _, _, count in classes:
            names = [f"{kind.__name__}{i}" for i in range(count)]
            r.shuffle(names)
            made.append(placed(m, platform, kind, names))
        for (_, inputs, outputs, _), instances in zip(classes, made, strict=True):
            for port in inputs:
                values = _feed(r, base, classes, made, instances, outputs)
                m.d.comb += [getattr(a, port).eq(value) for a, value in zip(instances, values, strict=True)]
        shown = [
            getattr(a, port)
            for (_, _, outputs, _), all_ in zip(classes, made, strict=True)
            for a in all_
            for port in outputs
        ]
        some = r.sample(shown, min(3, len(shown))) if r.random() < 0.7 else []
        m.d.sync += [register.eq(_expression(r, base + some, 2)) for register in own]
        m.d.comb += [t.own.eq(_expression(r, own + some, 2)), t.shown.eq(Cat(shown))]

    bits = sum(sum(outputs.values()) * count for _, _, outputs, count in classes)
    return component("Top", INPUTS, {"own": 50, "shown": bits}, wires), [kind for kind, *_ in classes]


def _feed(
    r: random.Random,
    base: list[Value],
    classes: list[Any],
    made: list[Any],
    instances: list[Any],
    outputs: dict[str, int],
) -> list[Value]:
    """What each instance takes at one input: the same, its own, its neighbour's, another class's, a constant."""
    way = r.choice(("same", "own", "chain", "chains", "other", "other", "constant"))
    count, port = len(instances), r.choice(list(outputs))
    low = r.randrange(outputs[port]) if r.random() < 0.3 else 0
    if way in ("chain", "chains"):
        length = r.randint(2, 4) if way == "chains" else count
        return [r.choice(base) if i % length == 0 else getattr(instances[i - 1], port)[low:] for i in range(count)]
    if way == "other":
        number, shift = r.randrange(len(classes)), r.randrange(3)
        if made[number] is not instances:
            port = r.choice(list(classes[number][2]))
            return [getattr(made[number][(i + shift) % len(made[number])], port) for i in range(count)]
    if way == "same":
        return [_expression(r, base, 2)] * count
    if way == "constant":
        return [Const(r.getrandbits(64), 64)] * count
    return [r.choice(base) + i if r.random() < 0.5 else r.choice(base) for i in range(count)]
