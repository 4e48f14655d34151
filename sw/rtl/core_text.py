"""Verilog of the project's core, kept in `build/cores`: only the first run of the same core generates it.

The file's name has a digest of everything that decides the text: the preset's values, the form, every source of `hw`
and the versions of the tools.
"""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from makalu.hw.core import Core
from makalu.hw.generate import core_verilog
from makalu.hw.lib.emit import port_list
from makalu.hw.spec.config import CoreConfig
from makalu.hw.spec.versions import versions
from makalu.sw.paths import BUILD, ROOT

__all__ = ["CORES", "CoreText", "core_identity", "core_text", "source_digest", "written"]

CORES: Path = BUILD / "cores"


def source_digest(folder: Path) -> str:
    """SHA-256 over names and bytes of all Python files below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


SOURCES = source_digest(ROOT / "hw")
"""Taken while the sources are imported: a file that is edited later is not what this process generates from."""


@dataclass(frozen=True)
class CoreText:
    """Verilog with a module `core`, and name and bits of each of its ports."""

    verilog: str
    ports: tuple[tuple[str, int], ...]


def written(core: Core, *, icarus: bool, idle_clocks: bool) -> CoreText:
    """The text of `core`, generated."""
    ports = tuple((name, len(value)) for name, value, _ in port_list(core))
    return CoreText(core_verilog(core, icarus=icarus, idle_clocks=idle_clocks), ports)


def core_identity(config: CoreConfig, **form: object) -> str:
    """Text that decides what a core of `config` emits in a form."""
    return json.dumps([config.digest, form, SOURCES, versions()], sort_keys=True)


def core_text(config: CoreConfig, *, observe: str, icarus: bool, idle_clocks: bool) -> CoreText:
    """The text of `Core(config, observe)`, generated or as an earlier call left it.

    Does not: see a class that was replaced inside this process; such a core goes through `written`.
    """
    identity = core_identity(config, observe=observe, icarus=icarus, idle_clocks=idle_clocks)
    path = CORES / f"{config.name}-{observe}-{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"
    if path.is_file():
        record = json.loads(path.read_text())
        return CoreText(record["verilog"], tuple((name, bits) for name, bits in record["ports"]))
    text = written(Core(config=config, observe=observe), icarus=icarus, idle_clocks=idle_clocks)
    CORES.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=CORES, suffix=".tmp", delete=False) as file:
        json.dump(asdict(text), file)
    Path(file.name).replace(path)  # whole or not there
    return text
