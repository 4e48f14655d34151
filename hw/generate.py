"""Verilog of a core, and a JSON side file that says what is in it. The same configuration gives the same bytes."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from makalu.hw.core import Core
from makalu.hw.lib.emit import Emission, port_list
from makalu.spec.config import CoreConfig
from makalu.spec.lanes import LANE_STAGES
from makalu.spec.latency import LOAD_LEAD, column_delay, commit_delay
from makalu.spec.sequencer import DECODE_CYCLES
from makalu.spec.versions import TEXT_PACKAGES, versions
from makalu.spec.whole_file import writable_folder, write_whole

__all__ = ["TOP", "Generated", "core_verilog", "generate"]

TOP = "core"
"""Name of the top module."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    verilog: Path
    side: Path


def core_verilog(core: Core, *, assertions: bool = False, idle_clocks: bool = False) -> str:
    """Verilog text of a core as module `TOP`, each component once.

    With `assertions` it has the rules between components (`hw/lib/rules.py`); with `idle_clocks` idle PE tiles have no
    clock: the same behaviour in less simulation time.
    """
    return Emission(assertions=assertions, idle_clocks=idle_clocks).verilog(core, name=TOP)


def _latencies(config: CoreConfig) -> dict[str, int]:
    """Cycles: the first four from a moving column at row 0's edge, `load_lead` from a load's acceptance to its first
    group there, `decode` from the buffer to the first possible issue, `lane_stages` in Vector's and Scalar's cycles.
    """
    at_psum, last_commit, more = column_delay(config) + 1, commit_delay(config), config.tensor.columns - 1
    return {
        "first_column_at_psum": at_psum,
        "last_column_at_psum": at_psum + more,
        "first_commit": last_commit - more,
        "last_commit": last_commit,
        "load_lead": LOAD_LEAD,
        "decode": DECODE_CYCLES,
        "lane_stages": LANE_STAGES,
    }


def _side(core: Core, text: str, observe: str) -> dict[str, Any]:
    ports = [{"name": "clk", "bits": 1, "direction": "in"}, {"name": "rst", "bits": 1, "direction": "in"}]
    ports += [
        {"name": name, "bits": len(value), "direction": "in" if is_input else "out"}
        for name, value, is_input in port_list(core)
    ]
    return {
        "top": TOP,
        "preset": core.config.name,
        "digest": core.config.digest,
        "verilog_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "observe": observe,
        "tools": versions(TEXT_PACKAGES),
        "latencies": _latencies(core.config),
        "parameters": asdict(core.config),
        "ports": ports,
    }


def generate(config: CoreConfig, out_dir: Path, *, observe: str = "none", assertions: bool = False) -> Generated:
    """Write `<preset>[-<observe>][-assertions].v` and the `.json` of the same name into `out_dir`.

    `observe` is the level of `spec/observe.py`; anything but "none" adds a port for simulation. `assertions` are for
    simulation too: without them the text has none.

    The side file is written last: where it is, both are whole. Errors: `OutputError`, for a folder that cannot be made
    or written to before anything is generated.
    """
    writable_folder(out_dir)
    core = Core(config=config, observe=observe)
    text = core_verilog(core, assertions=assertions)
    stem = config.name if observe == "none" else f"{config.name}-{observe}"
    stem += "-assertions" * assertions
    paths = Generated(verilog=out_dir / f"{stem}.v", side=out_dir / f"{stem}.json")
    write_whole(paths.verilog, text)
    write_whole(paths.side, json.dumps(_side(core, text, observe), indent=2) + "\n")
    return paths
