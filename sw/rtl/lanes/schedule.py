"""In which order the classes are evaluated in a cycle, and which value of a net each of them sees.

A class is *stepped* once a cycle: it reads its inputs, computes its outputs and goes over the edge. It can be stepped
when all its inputs are known. Those that come from a class stepped before it are there: that class stored them before
its own edge (`NOW`). Those of a class that is stepped later, or of itself, must hang on registers alone: they were
stored after the edge of the cycle before (`NEXT`). Where that does not do, a net is evaluated ahead (an `Ahead` event).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from makalu.sw.rtl.lanes.design import OUTSIDE, Design
from makalu.sw.rtl.lanes.emitter import NEXT, NOW
from makalu.sw.rtl.lanes.nets import Net, NetlistError

__all__ = ["MEALY", "Ahead", "Event", "Middle", "Schedule", "Step"]

MEALY: Mapping[str, frozenset[str]] = {
    "data__w__ready": frozenset({"data__w__valid"}),
    "data__r__valid": frozenset({"data__w__valid"}),
}
"""Inputs of the core that hang on outputs in the same cycle (spec/memory.py): the memory answers in between."""


@dataclass(frozen=True)
class Ahead:
    """Nets of a class that others need before it can be stepped."""

    module: str
    nets: tuple[Net, ...]


@dataclass(frozen=True)
class Middle:
    """The memory looks at the core's outputs and sets the inputs of `MEALY`."""


@dataclass(frozen=True)
class Step:
    """A class goes over the edge."""

    module: str


Event = Ahead | Middle | Step


@dataclass
class Schedule:
    """`events` of a cycle in order; `single` says of a class that it has one chunk, evaluated piece by piece."""

    design: Design
    single: Callable[[str], bool]
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._needs = {name: self._sources(name) for name in [*self.design.order, OUTSIDE]}
        self._done: set[str] = set()
        self._ahead: set[tuple[str, Net]] = set()
        self._middle = False
        self._first: dict[str, set[str]] = {}
        """Classes that must be stepped before one: what they evaluated ahead read it as it was after its last edge."""
        left = [name for name in self.design.order if self.design.netlists[name].has_logic]
        while left:
            ready = [name for name in left if all(self._known(*need) for need in self._needs[name])]
            if not ready:
                # what stands above all others waits for the least
                self._unblock(left[0])
                continue
            ready = [name for name in ready if not self._first.get(name, set()) - self._done - {name}]
            if not ready:
                raise NetlistError(f"{left} must have an order: each after those that evaluate something of it ahead")
            self.events.append(Step(ready[0]))
            self._done.add(ready[0])
            left.remove(ready[0])
        if not self._middle:
            self._make_middle()

    def when(self, consumer: str, module: str, net: Net) -> int:
        """Which value of a net `consumer` reads: from before its class's edge in this cycle, or after the last one."""
        if module == OUTSIDE or (module, net) in self._ahead:
            return NOW
        order = [event.module for event in self.events if isinstance(event, Step)]
        if consumer == OUTSIDE:
            return NOW
        return NOW if order.index(module) < order.index(consumer) else NEXT

    def ahead_of(self, module: str) -> list[tuple[Net, ...]]:
        """Nets of a class that are evaluated ahead, for each time."""
        return [event.nets for event in self.events if isinstance(event, Ahead) and event.module == module]

    def _sources(self, name: str) -> set[tuple[str, Net]]:
        return {
            (s.module, s.net)
            for (module, port), instances in self.design.sources.items()
            if module == name
            for runs in instances
            for s in runs
            if s.net is not None
        }

    def _leaves(self, module: str, net: Net) -> set[tuple[str, Net]]:
        """What drives the inputs that a net hangs on."""
        if module == OUTSIDE:
            ports = MEALY.get(net.name, frozenset())
            return {
                (s.module, s.net)
                for port in ports
                for runs in self.design.sources.get((OUTSIDE, port), [])
                for s in runs
                if s.net is not None
            }
        return {
            (s.module, s.net)
            for leaf in self.design.netlists[module].cone(net)
            for runs in self.design.sources[module, leaf.name]
            for s in runs
            if s.net is not None
        }

    def _known(self, module: str, net: Net) -> bool:
        if module == OUTSIDE:
            return self._middle or net.name not in MEALY
        if module in self._done or (module, net) in self._ahead:
            return True
        return not self.single(module) and not self.design.netlists[module].cone(net)

    def _unblock(self, name: str) -> None:
        """Evaluate ahead what `name` needs, in the order in which it can be."""
        wanted: dict[tuple[str, Net], int] = {}
        for need in self._needs[name]:
            self._level(*need, wanted, set())
        for number in sorted(set(wanted.values())):
            here = [key for key, at in wanted.items() if at == number]
            if any(module == OUTSIDE for module, _ in here):
                self._make_middle()
            for module in dict.fromkeys(module for module, _ in here if module != OUTSIDE):
                nets = tuple(sorted((n for m, n in here if m == module), key=lambda net: str(net.name)))
                self.events.append(Ahead(module, nets))
                for source, net in {leaf for each in nets for leaf in self._leaves(module, each)}:
                    if source not in self._done | {OUTSIDE, module} and (source, net) not in self._ahead:
                        self._first.setdefault(source, set()).add(module)
                self._ahead |= {(module, net) for net in nets}

    def _level(self, module: str, net: Net, wanted: dict[tuple[str, Net], int], busy: set[tuple[str, Net]]) -> int:
        """How many evaluations ahead of a net, with its own, one after the other; all of them go into `wanted`."""
        if self._known(module, net):
            return 0
        key = module, net
        if key in busy:
            raise NetlistError(f"{module}: {net.name} must not depend on itself through other classes")
        if key not in wanted:
            levels = [self._level(*leaf, wanted, busy | {key}) for leaf in self._leaves(module, net)]
            wanted[key] = 1 + max(levels, default=0)
        return wanted[key]

    def _make_middle(self) -> None:
        if not self._middle:
            self.events.append(Middle())
            self._middle = True
