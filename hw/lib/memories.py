"""What emitted text says about its memories, so that every tool infers the same RAM without a flag.

Amaranth says too much: a memory without initial content gets a zero a word, which is most of a text's lines, and a read
beside a write of the same word is the old word, which no block RAM with two ports gives for nothing. Neither is part of
our contract: words are undefined before they are written, and what is read beside the write of its word is never used.
So here, in Amaranth's RTLIL and for every memory alike:

- a content of zeros is no content;
- a memory that is read behind the clock says in the words of each tool that such a collision need not be looked at;
- a memory that is read in the same cycle is distributed RAM: the flip-flops that a tool may take for a small one, with
  a multiplexer in front, are larger, and their number depends on the tool.

In simulation a collision reads the old word and an unwritten one is X (Icarus), of the seed (Verilator) or 0 (lanes);
`undefined_collisions` is for benches that prove that nothing depends on the former.
"""

import re

__all__ = ["ATTRIBUTES", "NO_CHECK", "declared", "undefined_collisions"]

NO_CHECK = {
    "no_rw_check": "1",  # Yosys
    "ramstyle": '"no_rw_check"',  # Quartus
    "rw_addr_collision": '"no"',  # Vivado
    "syn_ramstyle": '"no_rw_check"',  # Synplify (Diamond, Libero)
}
"""Attributes of a memory that is read behind the clock, and who reads them."""
AT_ONCE = {"ram_style": '"distributed"'}
"""Of one that is read in the same cycle: Vivado, Yosys."""
ATTRIBUTES = (*NO_CHECK, "ram_style")
"""Names of all attributes that memories have in the Verilog."""

_MODULE = re.compile(r"(?ms)^module .*?^end$")
_CELL = re.compile(r"(?ms)^  cell \$mem(init|rd|wr)_v2 .*?^  end$")
_ZEROS = re.compile(
    r"(?ms)(?:^  attribute [^\n]*\n)*"
    r"^  cell \$meminit_v2 [^\n]*\n(?:    [^\n]*\n)*?    connect \\DATA \d+'0+\n.*?^  end\n"
)
_MEMORY = re.compile(r"(?m)^  memory width \d+ size \d+ (\\\S+)$")
_ID = re.compile(r'parameter \\MEMID "\\(\\\S+)"')
_TRANSPARENT = re.compile(r"parameter \\TRANSPARENCY_MASK \d+'0*1")
_COLLISION = re.compile(r"(parameter \\COLLISION_X_MASK \d+')(0+)")
_BEHIND = "parameter \\CLK_ENABLE 1"


def declared(rtlil: str) -> str:
    """RTLIL as Amaranth writes it, with what is said above about its memories; other content of memories stays."""
    return _MODULE.sub(_module, rtlil)


def _module(match: re.Match[str]) -> str:
    text = _ZEROS.sub("", match[0])
    kinds: dict[str, set[str]] = {}
    for cell in _CELL.finditer(text):
        found = _ID.search(cell[0])
        assert found is not None, cell[0]
        kinds.setdefault(found[1], set()).add(_kind(cell))

    def memory(match: re.Match[str]) -> str:
        said = _attributes(kinds.get(match[1], set()))
        return "".join(f"  attribute \\{name} {value}\n" for name, value in said.items()) + match[0]

    return _MEMORY.sub(memory, text)


def _kind(cell: re.Match[str]) -> str:
    """What a port is: init, wr, at once, behind (the clock), or transparent: it shows what is written in its cycle."""
    if cell[1] != "rd":
        return cell[1]
    if _BEHIND not in cell[0]:
        return "at once"
    return "transparent" if _TRANSPARENT.search(cell[0]) else "behind"


def _attributes(kinds: set[str]) -> dict[str, str]:
    if "wr" not in kinds:  # a table
        return {}
    if "at once" in kinds:
        return AT_ONCE
    return NO_CHECK if "behind" in kinds and "transparent" not in kinds else {}


def undefined_collisions(rtlil: str) -> str:
    """RTLIL whose memories give X where a word is read behind the clock while it is written."""

    def port(match: re.Match[str]) -> str:
        if match[1] != "rd" or _kind(match) != "behind":
            return match[0]
        return _COLLISION.sub(lambda mask: mask[1] + "1" * len(mask[2]), match[0])

    return _CELL.sub(port, rtlil)
