"""Classes of identical instances and the wires between them, derived from the netlist.

A *class* is a module that was not flattened into its parent: the top, and the placed components of the table `BOXES`.
What drives an input of an instance is found by following wires up and down the hierarchy to a net of another class's
instance, to a port of the top (class `OUTSIDE`), or to a constant.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from makalu.sw.rtl.lanes.netlist import Netlist
from makalu.sw.rtl.lanes.nets import Net, NetlistError

__all__ = ["BOXES", "OUTSIDE", "Design", "Grid", "Source"]

BOXES = frozenset(
    {
        *("PeArray", "PeTile", "PeStrip", "CandidateGather"),
        *("Partition", "SbufSlice", "PsumSlice", "TensorEdge", "DmaLane", "Lane"),
    }
)
"""Placed components that are classes; every other one is part of what places it."""
LONGEST_WIRE = 5_000
"""Instances that a wire may pass through; more are a ring."""
OUTSIDE = "outside"
"""What drives the top's inputs and reads its outputs."""


@dataclass(frozen=True)
class Source:
    """Bits `at` .. `at + width - 1` of an input are bits `low` .. of a net of an instance, or the constant `low`."""

    at: int
    width: int
    module: str
    net: Net | None
    low: int
    instance: int


@dataclass(frozen=True)
class Grid:
    """Places of a class's instances: `place[i]` = (outer, inner); instances that feed each other are neighbours."""

    place: tuple[tuple[int, int], ...]
    rows: int
    length: int
    chained: bool


def _natural(name: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


class Design:
    """Netlists of all classes, instances and what drives each input of each of them.

    `modules` is Yosys' JSON of the flattened classes, `cores` how many tops there are side by side.
    """

    def __init__(self, modules: Mapping[str, Any], top: str, *, cores: int = 1) -> None:
        self.top, self.cores = top, cores
        directions = {
            name: {port: what["direction"] for port, what in module["ports"].items()}
            for name, module in modules.items()
        }
        self.netlists = {name: Netlist(name, module, directions) for name, module in modules.items()}
        self.parents: dict[str, list[tuple[str, int, str]]] = {}
        """Parent class, its instance and the box's name, for each instance of a class."""
        self._child: dict[tuple[str, str], list[int]] = {}
        self.order: list[str] = []
        self._enumerate()
        ports = {port: Net("input", net.width, port) for port, net in self.netlists[top].inputs.items()}
        self.outside: dict[str, Net] = ports
        self._depth = 0
        self._memo: dict[tuple[Any, ...], Any] = {}
        self.sources: dict[tuple[str, Any], list[list[Source]]] = {}
        """For (class, input or (box, output)) that it reads what drives it, of each instance; (OUTSIDE, port) for the
        outputs of the top."""
        for name in self.order:
            for net in self.netlists[name].used:
                if isinstance(net.name, tuple):
                    child, child_port = self._boxes(name, net.name)
                    per = [
                        self._bits(child, i, ("out", child_port), 0, net.width) for i in self._child[name, net.name[0]]
                    ]
                else:
                    per = [self._input(name, i, net.name, 0, net.width) for i in range(self.count(name))]
                self.sources[name, net.name] = [_at(runs) for runs in per]
        for port, bits in self.netlists[top].outputs.items():
            per = [self._bits(top, i, ("out", port), 0, len(bits)) for i in range(cores)]
            self.sources[OUTSIDE, port] = [_at(runs) for runs in per]
        self._cut()
        self.grids = {name: self._grid(name) for name in self.order}

    def _boxes(self, module: str, name: tuple[str, str]) -> tuple[str, str]:
        return self.netlists[module].boxes[name[0]][0], name[1]

    def net(self, module: str, name: Any) -> Net:
        """An input or box output of a class by its name in `sources`."""
        netlist = self.netlists[module]
        return netlist.box_outputs[name] if isinstance(name, tuple) else netlist.inputs[name]

    def count(self, module: str) -> int:
        """Instances of a class."""
        return self.cores if module == OUTSIDE else len(self.parents[module])

    def _enumerate(self) -> None:
        self.parents[self.top] = [(OUTSIDE, i, "") for i in range(self.cores)]
        placed = {child for netlist in self.netlists.values() for child, _ in netlist.boxes.values()}
        waiting = [name for name in self.netlists if name in placed]
        self.order = [self.top]
        while waiting:
            # a class comes after all that place it
            name = next(
                name
                for name in waiting
                if not any(
                    child == name
                    for other in waiting
                    if other != name
                    for child, _ in self.netlists[other].boxes.values()
                )
            )
            waiting.remove(name)
            self.order.append(name)
            self.parents[name] = []
            for parent in self.order[:-1]:
                boxes = self.netlists[parent].boxes
                for box in sorted((b for b, (child, _) in boxes.items() if child == name), key=_natural):
                    first = len(self.parents[name])
                    self.parents[name] += [(parent, i, box) for i in range(self.count(parent))]
                    self._child[parent, box] = list(range(first, len(self.parents[name])))

    # ---- following wires

    def _runs(self, module: str, key: tuple[str, ...], low: int, width: int) -> list[Any]:
        memo = module, key, low, width
        if memo not in self._memo:
            netlist = self.netlists[module]
            bits = netlist.outputs[key[1]] if key[0] == "out" else netlist.boxes[key[1]][1][key[2]]
            self._memo[memo] = netlist.runs(bits[low : low + width])
        return self._memo[memo]

    def _bits(self, module: str, instance: int, key: tuple[str, ...], low: int, width: int) -> list[Source]:
        """Sources of bits of an output ("out", port) of an instance, or of what it gives its box ("box", box, port)."""
        out = []
        for run in self._runs(module, key, low, width):
            if run.net is None:
                out.append(Source(0, run.width, "", None, run.low, 0))
            elif run.net.kind != "input":
                out.append(Source(0, run.width, module, run.net, run.low, instance))
            elif isinstance(run.net.name, tuple):
                box, port = run.net.name
                child = self.netlists[module].boxes[box][0]
                out += self._bits(child, self._child[module, box][instance], ("out", port), run.low, run.width)
            else:
                out += self._input(module, instance, run.net.name, run.low, run.width)
        return out

    def _input(self, module: str, instance: int, port: str, low: int, width: int) -> list[Source]:
        parent, index, box = self.parents[module][instance]
        if parent == OUTSIDE:
            return [Source(0, width, OUTSIDE, self.outside[port], low, index)]
        self._depth += 1
        if self._depth > LONGEST_WIRE:
            raise NetlistError(f"{port} of {module} must not depend on itself through wires alone")
        found = self._bits(parent, index, ("box", box, port), low, width)
        self._depth -= 1
        return found

    # ---- cuts

    def _cut(self) -> None:
        """Cut inputs where the parts of what drives them meet, in all classes until nothing changes."""
        shapes = {
            key: {(s.at, s.width, s.module, s.net, s.low) for runs in instances for s in runs}
            for key, instances in self.sources.items()
        }
        stale = set(self.netlists)
        while stale:
            for module in stale:
                self.netlists[module].cut()
            stale = set()
            for (module, port), found in shapes.items():
                if module == OUTSIDE:
                    continue
                target = self.net(module, port)
                before = len(target.cuts)
                for at, width, _, net, low in found:
                    target.cuts |= {at, at + width}
                    if net is not None:
                        target.cuts |= {at + c - low for c, _ in net.parts if low < c < low + width}
                target.cuts -= {0, target.width}
                if len(target.cuts) != before:
                    stale.add(module)

    # ---- places

    def _grid(self, module: str) -> Grid:
        """Instances in rows; along a chain of instances the next one has the next place.

        Errors: `NetlistError` where instances feed each other in another way than along rows and columns.
        """
        count = self.count(module)
        chains: list[list[int | None]] = []
        outer_sources: list[int] = []
        for (name, _), instances in self.sources.items():
            if name != module:
                continue
            from_own = [{s.instance for s in runs if s.module == module} for runs in instances]
            if not any(from_own):
                continue
            if any(len(own) > 1 for own in from_own):
                raise NetlistError(f"an input of {module} must be fed by one neighbour, not by several")
            chain = [next(iter(own), None) for own in from_own]
            foreign = sum(
                s.net is not None for runs, own in zip(instances, from_own, strict=True) if not own for s in runs
            )
            if chain in chains:
                outer_sources[chains.index(chain)] += foreign
            else:
                chains.append(chain)
                outer_sources.append(foreign)
        if not chains:
            return Grid(tuple((0, i) for i in range(count)), 1, count, False)
        if len(chains) > 2:
            raise NetlistError(f"instances of {module} must form rows and columns, not {len(chains)} kinds of chains")
        # the inner direction's first instances need copies of what feeds them: the one with less of it
        chains = [chain for _, chain in sorted(zip(outer_sources, chains, strict=True), key=lambda pair: pair[0])]
        inner = _positions(module, chains[0])
        if len(chains) == 1:
            heads = {h: r for r, h in enumerate(i for i in range(count) if chains[0][i] is None)}
            outer = [heads[_head(chains[0], i)] for i in range(count)]
        else:
            outer = _positions(module, chains[1])
        place = list(zip(outer, inner, strict=True))
        at = {where: i for i, where in enumerate(place)}
        if len(at) != count:
            raise NetlistError(f"instances of {module} must have one place each")
        for i, (r, k) in enumerate(place):
            wanted = [at.get((r, k - 1)), at.get((r - 1, k))]
            if [chain[i] for chain in chains] != wanted[: len(chains)]:
                raise NetlistError(f"instance {i} of {module} at ({r}, {k}) must be fed by its neighbours")
        return Grid(tuple(place), max(outer) + 1, max(inner) + 1, True)


def _at(runs: list[Source]) -> list[Source]:
    out: list[Source] = []
    at = 0
    for s in runs:
        last = out[-1] if out else None
        if (
            last is not None
            and s.net is not None
            and (last.net, last.instance) == (s.net, s.instance)
            and last.low + last.width == s.low
        ):
            out[-1] = Source(last.at, last.width + s.width, s.module, s.net, last.low, s.instance)
        else:
            out.append(Source(at, s.width, s.module, s.net, s.low, s.instance))
        at += s.width
    return out


def _head(chain: list[int | None], i: int) -> int:
    while (before := chain[i]) is not None:
        i = before
    return i


def _positions(module: str, chain: list[int | None]) -> list[int]:
    """How many instances each one has before it."""
    place: dict[int, int] = {}
    for start in range(len(chain)):
        path = []
        i: int | None = start
        while i is not None and i not in place:
            path.append(i)
            if len(path) > len(chain):
                raise NetlistError(f"instances of {module} must not form a ring")
            i = chain[i]
        before = -1 if i is None else place[i]
        for k, instance in enumerate(reversed(path)):
            place[instance] = before + 1 + k
    return [place[i] for i in range(len(chain))]
