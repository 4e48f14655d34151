"""Pages that are written from the tables of `hw/spec`."""

from makalu.hw.spec.errors import ErrorCode
from makalu.hw.spec.isa import FIELDS, INSTRUCTION_BYTES, INSTRUCTIONS, AluOp, Function, used_fields
from makalu.hw.spec.sequencer import CHANNEL_OF

__all__ = ["isa_page"]

_HEADER = ("opcode", "after", "tag", "wait", "signal")
"""What every instruction has; the table of an instruction leaves it out."""


def isa_page() -> str:
    """`docs/isa.md`: instructions, fields, operators and error codes."""
    lines = [
        "# Instruction set",
        "",
        "Written from `hw/spec/isa.py`; do not edit.",
        "",
        f"An instruction has {INSTRUCTION_BYTES} bytes, little-endian: bit i is bit i % 8 of byte i // 8. A field that "
        "an instruction does not use is zero, and so is every bit without a name.",
        "",
        "## Instructions",
        "",
        "| opcode | name | queues | finishes on | computes | operands | fields |",
        "|---|---|---|---|---|---|---|",
    ]
    for opcode, spec in INSTRUCTIONS.items():
        operands = "; ".join(
            f"{slot}: {'/'.join(s.name for s in o.spaces)} {'/'.join(o.dtypes)}{', one a partition' * o.scalar}"
            for slot, o in spec.operands.items()
        )
        slots = tuple(f"{slot}_" for slot in spec.operands)
        own = [n for n in used_fields(opcode) if not n.startswith((*_HEADER, *slots))]
        channel = CHANNEL_OF[opcode].name.lower() if opcode in CHANNEL_OF else "issue"
        queues = ", ".join(queue.name.lower() for queue in spec.queues)
        equation = spec.equation.replace("|", "\\|")
        lines.append(
            f"| {int(opcode):#04x} | {spec.name} | {queues} | {channel} | {equation} | {operands} | {', '.join(own)} |"
        )
    lines += [
        "",
        "## Order",
        "",
        "Queues, and the two DMA directions, share nothing but semaphores. Two instructions of different channels that "
        "touch one SBUF word (`sbuf.word_bytes`) of a partition, one of them writing, must be ordered by a semaphore "
        "even when their bytes differ: a partly written word is read and written back. In PSUM and memory the unit is "
        "the byte.",
    ]
    lines += ["", "## Fields", "", "| bits | name | signed |", "|---|---|---|"]
    for f in sorted(FIELDS.values(), key=lambda f: f.lsb):
        lines.append(f"| {f.lsb + f.bits - 1}:{f.lsb} | {f.name} | {'yes' if f.signed else ''} |")
    for title, kind in (("Operators", AluOp), ("Functions", Function)):
        lines += ["", f"## {title}", "", "| code | name |", "|---|---|"]
        lines += [f"| {int(member)} | {member.name.lower()} |" for member in kind]
    lines += ["", "## Error codes", "", "| code | name |", "|---|---|"]
    lines += [f"| {int(code)} | {code.name.lower()} |" for code in ErrorCode]
    return "\n".join(lines) + "\n"
