"""Some of a core's blocks as a component: wired by `hw/core.py` itself, with the other blocks' places as ports."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import Flow, In, Out

from makalu.hw.core import Core
from makalu.hw.lib.emit import place
from makalu.hw.partition import Partition
from makalu.spec.config import CoreConfig

__all__ = ["Cut"]


def _used(part: Any) -> Any:
    """Amaranth does not report it where nothing elaborates it: only its ports are wanted."""
    part._MustUse__used = True
    return part


class _Block(Elaboratable):
    """A block in its place in the core: there, or left out."""

    def __init__(self, component: wiring.Component) -> None:
        _used(self)
        self.component, self.there = _used(component), False

    def elaborate(self, platform: Any) -> Elaboratable:
        return place(self.component, platform) if self.there else Module()  # type: ignore[return-value]


class _Opened:
    """The platform that takes a core apart: blocks by their place, partitions open."""

    def instance(self, component: wiring.Component, *, domain: str) -> Elaboratable:
        if not isinstance(component, Partition):
            return _Block(component)
        return _used(_used(component).elaborate(self))


class Cut(wiring.Component):
    """The blocks `blocks` of a core; a path is `block.port`, a port of the core itself its name alone.

    Blocks have the names of their submodules in `hw/core.py` and `hw/partition.py`; one of the latter is there in each
    partition. The port for `block.port` is called `block__port`, an array over the partitions where there are several.

    Does not: notice a block's input that nobody drives (it is 0), nor show ports that are interfaces.

    Parameters
    ----------
    config
        The core.
    blocks
        What is there.
    drive
        Outputs and interfaces of blocks that are left out, or inputs and interfaces of the core: the bench's.
    show
        Ports of any block: what the bench sees.

    Errors: `AttributeError` for a block, `SignatureError` for a port that does not exist.
    """

    def __init__(self, *, config: CoreConfig, blocks: Sequence[str], drive: Sequence[str], show: Sequence[str]) -> None:
        _used(self)  # a bench looks at its ports only
        self.config = config
        self._key = (tuple(blocks), tuple(drive), tuple(show))
        self._core = _used(Core(config=config))
        self._opened = _used(self._core.elaborate(_Opened()))
        self._partitions = [getattr(self._opened.submodules, f"partition_{p}") for p in range(config.partitions)]
        for name in blocks:
            for block in self._places(name):
                block.there = True
        self._paths = {path.replace(".", "__"): path for path in (*drive, *show)}
        super().__init__({name: self._member(path, shown=path in show) for name, path in self._paths.items()})

    @property
    def emit_key(self) -> tuple[object, ...]:
        return (self.config, *self._key)

    def _places(self, name: str) -> list[_Block]:
        """Of a block: one, or one a partition."""
        try:
            return [getattr(self._opened.submodules, name)]
        except AttributeError:
            return [getattr(partition.submodules, name) for partition in self._partitions]

    def _components(self, path: str) -> tuple[list[wiring.Component], str]:
        block, _, port = path.rpartition(".")
        return [place.component for place in self._places(block)] if block else [self._core], port

    def _member(self, path: str, *, shown: bool) -> wiring.Member:
        components, port = self._components(path)
        member = components[0].signature.members[port]
        if member.is_signature:
            # what a left-out block drives is the bench's; an interface of the core is as it is
            return Out(member.signature) if path == port else In(member.signature)
        shape = member.shape if len(components) == 1 else data.ArrayLayout(member.shape, len(components))
        return Out(shape) if shown else In(shape)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.core = self._opened
        for name, path in self._paths.items():
            components, port = self._components(path)
            own, theirs = getattr(self, name), [getattr(component, port) for component in components]
            member = self.signature.members[name]
            if member.is_signature:
                leaves = zip(member.signature.flatten(own), member.signature.flatten(theirs[0]), strict=True)
                pairs = [(leaf.flow, mine, its) for (_, leaf, mine), (_, _, its) in leaves]
            else:
                pairs = [(member.flow, own if len(theirs) == 1 else own[p], its) for p, its in enumerate(theirs)]
            m.d.comb += [mine.eq(its) if flow is Flow.Out else its.eq(mine) for flow, mine, its in pairs]
        return m
