"""Verilog that was emitted before, kept in `build/texts`: only the first emission of the same component generates it.
All of it is for simulation and has the assertions.

A file's name has a digest of everything that decides the text: the preset's values or the component's class and key,
the form, every source of `spec` and `hw` (and of `verif`, whose assemblies are components too), the versions of tools.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from makalu.hw.core import Core
from makalu.hw.generate import core_verilog
from makalu.hw.lib.emit import Emission, port_list
from makalu.spec.config import CoreConfig
from makalu.spec.versions import versions
from makalu.spec.whole_file import write_whole
from makalu.sw.paths import BUILD, ROOT

__all__ = ["TEXTS", "CoreText", "component_text", "core_identity", "core_text", "source_digest", "written"]

TEXTS: Path = BUILD / "texts"


def source_digest(root: Path, *folders: str) -> str:
    """SHA-256 over names and bytes of all Python files below these folders of `root`."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


SOURCES, BENCH_SOURCES = source_digest(ROOT, "hw", "spec"), source_digest(ROOT, "verif")
"""Taken while the sources are imported: a file that is edited later is not what this process generates from."""
_PACKAGES = ("makalu.hw.", "verif.")
"""Where a component's class must be for these sources to decide its text."""


@dataclass(frozen=True)
class CoreText:
    """Verilog with a module `core`, and name and bits of each of its ports."""

    verilog: str
    ports: tuple[tuple[str, int], ...]


def written(core: Core, *, idle_clocks: bool) -> CoreText:
    """The text of `core` for simulation, generated."""
    ports = tuple((name, len(value)) for name, value, _ in port_list(core))
    return CoreText(core_verilog(core, assertions=True, idle_clocks=idle_clocks), ports)


def core_identity(config: CoreConfig, **form: object) -> str:
    """Text that decides what a core of `config` emits in a form."""
    return json.dumps([config.digest, form, SOURCES, versions()], sort_keys=True)


def core_text(config: CoreConfig, *, observe: str, idle_clocks: bool) -> CoreText:
    """The text of `Core(config, observe)`, generated or as an earlier call left it.

    Does not: see a class that was replaced inside this process; such a core goes through `written`.
    """
    identity = core_identity(config, observe=observe, idle_clocks=idle_clocks)
    path = _place(f"{config.name}-{observe}", identity)
    record = _kept(path)
    if record is not None:
        return CoreText(record["verilog"], tuple((name, bits) for name, bits in record["ports"]))
    text = written(Core(config=config, observe=observe), idle_clocks=idle_clocks)
    _keep(path, asdict(text))
    return text


def component_text(
    component: wiring.Component, *, name: str, idle_clocks: bool = False, collisions: str = "old"
) -> str:
    """Verilog of a component with an `emit_key` as module `name`, emitted or as an earlier call left it.

    Does not: see a class or constant that was replaced inside this process; such a component goes through `Emission`.
    Errors: `ValueError` for a class that is neither in `hw` nor in `verif`; those of `Emission`.
    """
    kind = type(component)
    if not f"{kind.__module__}.".startswith(_PACKAGES):
        raise ValueError(f"to be kept, {kind.__name__} must be of one of {_PACKAGES}, not of {kind.__module__}")
    ports = [(port, len(value), way) for port, value, way in port_list(component)]
    decided = [kind.__module__, kind.__qualname__, repr(component.emit_key), ports, name, idle_clocks, collisions]
    path = _place(f"{kind.__name__.lower()}-{name}", json.dumps([decided, SOURCES, BENCH_SOURCES, versions()]))
    record = _kept(path)
    if record is not None:
        component._MustUse__used = True  # what would be reported as made and never elaborated
        return str(record["verilog"])
    emission = Emission(assertions=True, idle_clocks=idle_clocks, collisions=collisions)
    text = emission.verilog(component, name=name)
    _keep(path, {"verilog": text})
    return text


def _place(name: str, identity: str) -> Path:
    return TEXTS / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"


def _kept(path: Path) -> dict[str, Any] | None:
    """What `_keep` wrote; nothing where it is not there or was damaged since, so that it is generated again."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return record if isinstance(record["verilog"], str) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, record: dict[str, Any]) -> None:
    write_whole(path, json.dumps(record))
