"""The core in somebody's Verilog: wires of the ports' widths and an instance; for docs/attach.md."""

from collections.abc import Sequence

from makalu.hw.core import core_signature
from makalu.hw.generate import TOP
from makalu.hw.lib.emit import port_list
from makalu.spec.axi import ID_BITS, LONGEST_BURST, PAGE_BYTES
from makalu.spec.config import CoreConfig
from makalu.spec.isa import INSTRUCTION_BYTES, QUEUES
from makalu.spec.observe import LEVELS, observe_layout

__all__ = ["attach_tables", "instantiation", "longest_burst"]


def instantiation(config: CoreConfig) -> str:
    """Declarations and an instance, a line a port, in the order of the text; ports of a channel stand together."""
    ports = [("clk", 1, True), ("rst", 1, True)]
    ports += [(name, len(value), is_input) for name, value, is_input in port_list(core_signature(config).create())]
    lines = [f"{'reg' if name in ('clk', 'rst') else 'wire'}{_width(bits)} {name};" for name, bits, _ in ports]
    wired = [f"    .{name}({name}){'' if name == ports[-1][0] else ','} // {_way(i)}" for name, _, i in ports]
    return "\n".join([*lines, "", f"{TOP} {TOP} (", *wired, ");"])


def longest_burst(config: CoreConfig) -> int:
    """Beats on `data`: a piece that begins inside of a beat has one more."""
    return min(config.dma.burst_bytes // config.bus.data_bytes + 1, LONGEST_BURST)


def _width(bits: int) -> str:
    return f" [{bits - 1}:0]" if bits > 1 else ""


def _way(is_input: bool) -> str:
    return "into the core" if is_input else "out of the core"


def attach_tables(configs: Sequence[CoreConfig]) -> dict[str, str]:
    """What docs/attach.md shows, by title; the Verilog and the widths of `observe` are those of the first preset."""
    names = [config.name for config in configs]
    rows: list[tuple[str, ...]] = [
        ("a beat of `data` [bytes]", *(str(c.bus.data_bytes) for c in configs)),
        ("longest burst of `data` [beats]", *(str(longest_burst(c)) for c in configs)),
        ("open read bursts of `data`, at most", *(str(c.dma.outstanding_reads) for c in configs)),
        ("open write bursts of `data`, at most", *(str(c.dma.outstanding_writes) for c in configs)),
        ("a beat of `instructions` [bytes]", *(str(c.bus.instruction_bytes) for c in configs)),
        ("each burst of `instructions` [beats]", *(str(INSTRUCTION_BYTES // c.bus.instruction_bytes) for c in configs)),
        (
            "open bursts of `instructions`, at most",
            *(str(len(QUEUES) * c.sequencer.buffer_instructions) for c in configs),
        ),
        ("address [bits]", *(str(c.bus.address_bits) for c in configs)),
        ("ID [bits], always 0", *(str(ID_BITS) for _ in configs)),
        ("no burst crosses a multiple of [bytes]", *(str(PAGE_BYTES) for _ in configs)),
    ]
    tiny = configs[0]
    fields = [
        (
            f"`{field.name}`",
            next(level for level in LEVELS if field in observe_layout(tiny, level)),
            str(field.count),
            ", ".join(f"{name} {bits}" for name, bits in field.members),
        )
        for field in observe_layout(tiny, LEVELS[-1])
    ]
    return {
        "attributes of the ports": _grid(("", *names), rows),
        "fields of observe": _grid(("field, lowest first", "from level", "items", "bits of an item"), fields),
        "Verilog of an instance": f"```verilog\n{instantiation(tiny)}\n```",
    }


def _grid(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
