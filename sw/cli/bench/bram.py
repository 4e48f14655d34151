"""Which RAM the memories become on ECP5 and Xilinx 7, and the cells of every block of a core on ECP5."""

import re
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from makalu.hw.core import Core
from makalu.hw.generate import TOP, core_verilog
from makalu.hw.lib.emit import Emission
from makalu.hw.sbuf.bank import SbufBank
from makalu.spec.preset import load_preset
from makalu.sw.results import Figure, at_most
from makalu.sw.rtl.synthesis import FAMILIES, KINDS, Block, Cells, blocks_of, synthesise_all

__all__ = ["COLUMNS", "PRESET", "measure"]

PRESET = "tiny"
COLUMNS = ("instances", *KINDS)
BANK = {"ecp5": {"block_ram": 4, "ff": 0, "lut_ram": 0}, "xc7": {"block_ram": 2, "ff": 0, "lut_ram": 0}}
"""What an SBUF bank of the preset must be, at most."""
MINUTES_GOAL = 20
_KEY = re.compile(r"(\$\d+|_[0-9a-f]{8}|(_\d+)+(_[a-z]+)?)$")
"""What tells the variants of a block apart in its name: a number of Amaranth, a digest or the key in words."""
_SHOWN = 0.01
"""Blocks with a smaller share of the whole's LUTs, and without block RAM, are in one row."""

Row = dict[str, int]


def measure(console: Console) -> list[Figure]:
    """One SBUF bank and the whole core, on both families; on Xilinx 7 only blocks with a memory."""
    config = load_preset(PRESET)
    bank = Emission().verilog(SbufBank(sbuf=config.sbuf), name="bank")
    blocks = blocks_of(core_verilog(Core(config=config)), TOP)
    figures: list[Figure] = []
    for family in FAMILIES:
        counts = _synthesised(f"one bank, {family}", blocks_of(bank, "bank"), family, console)["bank"].counts
        for kind in KINDS:
            name, bar = f"bram_bank_{family}_{kind}", BANK[family].get(kind)
            figures.append(
                Figure(name=name, value=counts[kind], unit="cells")
                if bar is None
                else at_most(name, counts[kind], "cells", bar=bar, kind="must")
            )
    began = time.monotonic()
    whole = _synthesised(f"{PRESET}, ecp5", blocks, "ecp5", console)
    minutes = round((time.monotonic() - began) / 60, 1)
    with_memory = [block for block in blocks if block.has_memory]
    rows = _rows(blocks, whole)
    _print(rows, console)
    xilinx = _synthesised(f"memories of {PRESET}, xc7", with_memory, "xc7", console, memories_only=True)
    memories = {"ecp5": whole, "xc7": xilinx}
    for case, row in rows.items():
        figures += [_figure(f"{PRESET}_ecp5_{case}_{key}", value) for key, value in row.items()]
    for family, cells in memories.items():
        lost = [name for found in cells.values() for name, kind in found.memories.items() if kind == "flip-flops"]
        total = sum(block.instances * cells[block.name].counts["block_ram"] for block in with_memory)
        figures += [
            _figure(f"{PRESET}_{family}_memories_block_ram", total),
            at_most(f"bram_{PRESET}_{family}_memories_ff", len(lost), "memories", bar=0, kind="must"),
        ]
        console.print(f"{family}: {total} block RAMs; memories in flip-flops: {', '.join(lost) or 'none'}")
    return [*figures, at_most(f"bram_{PRESET}_ecp5_whole_minutes", minutes, "min", bar=MINUTES_GOAL, kind="goal")]


def _figure(name: str, value: int) -> Figure:
    return Figure(name=f"bram_{name}", value=value, unit="cells")


def _synthesised(
    title: str, blocks: list[Block], family: str, console: Console, *, memories_only: bool = False
) -> dict[str, Cells]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=len(blocks))

        def told(done: int, _: int) -> None:
            bar.update(task, completed=done)

        return synthesise_all(blocks, family, told, memories_only=memories_only)


def _rows(blocks: list[Block], cells: dict[str, Cells]) -> dict[str, Row]:
    """The whole, then kinds of blocks by LUTs: all instances of every variant of a block together."""
    rows: dict[str, Row] = {}
    for block in blocks:
        row = rows.setdefault(_KEY.sub("", block.name), dict.fromkeys(COLUMNS, 0))
        row["instances"] += block.instances
        for kind, count in cells[block.name].counts.items():
            row[kind] += block.instances * count
    whole = {column: sum(row[column] for row in rows.values()) for column in COLUMNS} | {"instances": 1}
    small = {n: r for n, r in rows.items() if r["lut"] < _SHOWN * whole["lut"] and not r["block_ram"]}
    shown = sorted((item for item in rows.items() if item[0] not in small), key=lambda item: -item[1]["lut"])
    other = {column: sum(row[column] for row in small.values()) for column in COLUMNS}
    return {"whole": whole, **dict(shown), "other": other}


def _print(rows: dict[str, Row], console: Console) -> None:
    table = Table(title=f"{PRESET} on ECP5, block by block: {FAMILIES['ecp5'].command}; black boxes between blocks")
    for column in ("block", *COLUMNS):
        table.add_column(column.replace("_", " "), justify="left" if column == "block" else "right")
    for name, row in rows.items():
        table.add_row(name, *(f"{row[column]:,}" for column in COLUMNS))
    console.print(table)
