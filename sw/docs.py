"""Pages that are written from the tables of `spec`."""

import ast
import inspect
from collections.abc import Iterable
from enum import IntEnum
from typing import Any

from makalu.spec.engines import CHANNELS
from makalu.spec.errors import ErrorCode
from makalu.spec.field_rules import FIELD_RULES, FieldRule
from makalu.spec.fields import INSTRUCTION_FORMATS, Bits
from makalu.spec.formats import FORMATS, LANE_ELEMENTS, Format, FormatKind
from makalu.spec.isa import (
    ENCODING_VERSION,
    FIELDS,
    INSTRUCTIONS,
    AluOp,
    Function,
    Operand,
    OperandRule,
    Queue,
    SignalKind,
    Space,
    WaitKind,
    used_fields,
)
from makalu.spec.lane_programs import LANE_PROGRAMS, LaneInput, LaneStep
from makalu.spec.lanes import LIFTED, SCALES
from makalu.spec.operand import EVERY_OPERAND
from makalu.spec.preset import PRESETS, load_preset
from makalu.spec.quantize import ScaleRule
from makalu.spec.random_bits import Rounding
from makalu.spec.registers import COUNTERS, IDENTITY, REGISTER_BITS, REGISTERS, SEED, Status
from makalu.spec.sequencer import CHANNEL_OF
from makalu.spec.tensor_types import Part

__all__ = ["docs_behind", "isa_page", "registers_page"]

_HEADER = ("opcode", "after", "version", "tag", "wait", "signal")
"""What every instruction has; the table of an instruction leaves it out."""


def isa_page() -> str:
    """`docs/isa.md`: instructions, fields, operators and error codes."""
    lines = [
        "# Instruction set",
        "",
        "Written from `spec/isa.py`, `spec/fields.py`, `spec/lane_programs.py` and `spec/engines.py`; do not edit.",
        "",
        "## Instructions",
        "",
        "| opcode | name | queues | finishes on | computes | operands | fields |",
        "|---|---|---|---|---|---|---|",
    ]
    for opcode, spec in INSTRUCTIONS.items():
        operands = "; ".join(
            f"{slot}: {_names(o.spaces)} {_types(o)}{', one a partition' * o.scalar}{', in mx' * (o.among == 'scales')}"
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
    lines += ["", "## Lane programs", "", *_lane_programs()]
    lines += [
        "",
        "## Channels",
        "",
        "An instruction goes from its queue through a command stream to an engine, and finishes on a channel, in order "
        "there.",
        "",
        "| channel | name | queue | stream | engine | unfinished at most (`tiny`) | reports an error as |",
        "|---|---|---|---|---|---|---|",
    ]
    tiny = load_preset("tiny")
    for row in CHANNELS.values():
        error = row.fault.name.lower() if row.fault else ""
        depth, queue = row.depth(tiny), row.queue.name.lower()
        lines.append(f"| {int(row.channel)} | {row.name} | {queue} | {row.stream} | {row.engine} | {depth} | {error} |")
    lines += [
        "",
        "## Order",
        "",
        "Queues share nothing but semaphores; a DMA direction is a queue. Two instructions of different channels that "
        "touch one SBUF word (`sbuf.word_bytes`) of a partition, one of them writing, must be ordered by a semaphore "
        "even when their bytes differ: a partly written word is read and written back. In PSUM and memory the unit is "
        "the byte.",
    ]
    lines += _encoding()
    for kind in (Queue, Space, Part, WaitKind, SignalKind, AluOp, Function, ScaleRule, Rounding):
        lines += ["", f"## {kind.__name__}", "", inspect.cleandoc(kind.__doc__ or ""), ""]
        texts = _member_docs(kind)
        lines += ["| code | name | what it is |", "|---|---|---|"] if texts else ["| code | name |", "|---|---|"]
        lines += [
            f"| {int(member)} | {member.name.lower()} |{f' {texts[member.name]} |' if texts else ''}" for member in kind
        ]
    lines += ["", "## Rules of operands", "", "Every operand keeps the first of these; a row of the table adds others."]
    lines += ["", "| rule | code | what it says | operands |", "|---|---|---|---|"]
    for rule in OperandRule:
        rows = [(spec.name, slot, o) for spec in INSTRUCTIONS.values() for slot, o in spec.operands.items()]
        keepers = [f"{name} {slot}" for name, slot, o in rows if rule in o.own_rules]
        where = "every operand" if rule in EVERY_OPERAND else ", ".join(keepers)
        lines.append(f"| {rule.name.lower()} | {rule.code.name.lower()} | {rule.text} | {where} |")
    lines += ["", "## Element types", "", *_element_types()]
    lines += ["", "## Rules of fields", "", "In every instruction that has the field.", ""]
    lines += ["| field | code | legal |", "|---|---|---|"]
    lines += [f"| {rule.field} | {rule.code.name.lower()} | {_legal(rule)} |" for rule in FIELD_RULES]
    lines += ["", "## Error codes", ""]
    lines += ["The lowest code of all broken rules is reported; `fetch`, then `version` go before all.", ""]
    lines += ["| code | name | what is wrong | rules |", "|---|---|---|---|"]
    texts = _member_docs(ErrorCode)
    for code in ErrorCode:
        rules = [rule.name.lower() for rule in OperandRule if rule.code is code]
        rules += [rule.field for rule in FIELD_RULES if rule.code is code]
        lines.append(f"| {int(code)} | {code.name.lower()} | {texts.get(code.name, '')} | {', '.join(rules)} |")
    return "\n".join(lines) + "\n"


def _types(operand: Operand) -> str:
    of_array = {"operands": "of the array's types", "outputs": "of those that the array writes"}
    if operand.among in of_array:
        return of_array[operand.among]
    return "of any type" if operand.dtypes == LANE_ELEMENTS else _names(operand.dtypes)


def _element_types() -> list[str]:
    """Each format's row, and the presets whose array multiplies it."""
    heads = ["code", "name", "NKI's name", "bytes", "exponent, fraction [bits]", "largest", "smallest normal"]
    heads += ["infinity", "NaN", "arrays that multiply it"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    presets = {name: load_preset(name) for name in PRESETS}
    for form in FORMATS.values():
        largest = _largest(form)
        where = [name for name, config in presets.items() if form in config.tensor.operands]
        cells = [form.code, form.name, form.long_name, form.bytes, f"{form.exponent_bits}, {form.fraction_bits}"]
        smallest = "1" if form.kind is FormatKind.INTEGER else f"2^{form.emin}"
        cells += [f"{largest:.6g}", smallest, _yes(form.has_infinity), _yes(form.has_nan), ", ".join(where)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def _largest(form: Format) -> float:
    """Number of an element."""
    if form.kind is FormatKind.INTEGER:
        return form.largest
    exponent, fraction = form.largest >> form.fraction_bits, form.largest & (1 << form.fraction_bits) - 1
    return (1 + fraction / (1 << form.fraction_bits)) * 2.0 ** (exponent - form.bias)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _lane_programs() -> list[str]:
    """What Vector and Scalar do to each element."""
    lines = [
        "What Vector and Scalar compute of each element of dst: data goes through the steps one after the other, each "
        "rounded once, then through the function, and is cast to dst's type. A source with one value a partition is "
        "read once, while its field is set; a step that would take it takes its immediate otherwise.",
        "",
        "| name | engine | reads | data | step 0 | step 1 | function | writes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for opcode, row in LANE_PROGRAMS.items():
        reads = [f"{s.slot}: {f'one a partition, while {s.when}' if s.once else 'each element'}" for s in row.sources]
        optional = {source.slot for source in row.sources if source.when}
        steps = [_lane_step(n, step, optional) for n, step in enumerate(row.steps)]
        cells = [opcode.name.lower(), row.engine, "; ".join(reads), _lane_input(row.data, 0, optional), *steps]
        writes = "dst: each element" + (f"; {SCALES}: the scale of each group, which dst is over" * row.grouped)
        lines.append(f"| {' | '.join([*cells, _lane_code(row.function), writes])} |")
    return lines


def _lane_step(number: int, step: LaneStep, optional: set[str]) -> str:
    if step.op == AluOp.BYPASS:
        return "data"
    text = f"{_lane_code(step.op)}(data, {_lane_input(step.operand, number, optional)})"
    return f"{text}, turned by {step.reverse}" if step.reverse else text


def _lane_input(taken: LaneInput, step: int, optional: set[str]) -> str:
    immediate = f"immediate{step}"
    if taken is LaneInput.IMMEDIATE:
        return immediate
    if taken is LaneInput.LIFT:
        return f"2^{LIFTED} of a subnormal, else 1: the scale takes it back"
    return f"{taken.slot} or {immediate}" if taken.slot in optional else taken.slot


def _lane_code(named: IntEnum | str) -> str:
    """A field, or what is fixed."""
    return named if isinstance(named, str) else named.name.lower()


def _encoding() -> list[str]:
    """The formats, and the fields that each of them has."""
    lines = ["", "## Encoding", "", f"Version {ENCODING_VERSION}. {' '.join(_format_doc().split())}", ""]
    lines += ["| format | engines | operands | kept free | bits without a name |", "|---|---|---|---|---|"]
    for form in INSTRUCTION_FORMATS.values():
        engines = ", ".join(engine or "the sequencer" for engine in form.engines)
        kept = "; ".join(f"{_run(row)} {row.name}: {row.meaning}" for row in form.reserved)
        lines.append(f"| {form.name} | {engines} | {', '.join(form.operands)} | {kept} | {form.free_bits} |")
    lines += ["", "| bits | name | formats | signed | meaning |", "|---|---|---|---|---|"]
    for f in sorted(FIELDS.values(), key=lambda f: f.lsb):
        names = [form.name for form in INSTRUCTION_FORMATS.values() if f.name in form.names]
        where = "all" if len(names) == len(INSTRUCTION_FORMATS) else ", ".join(names)
        lines.append(f"| {_run(f)} | {f.name} | {where} | {'yes' if f.signed else ''} | {f.meaning} |")
    return lines


def _legal(rule: FieldRule) -> str:
    if rule.names is not None:
        return f"a member of `{rule.names.__name__}`"
    tiny = rule.high(load_preset("tiny"))
    values = f"from {rule.low} to the preset's (`tiny`: {tiny})" if tiny > rule.low else f"{tiny}"
    return values + (f", while {rule.when} is not 0" if rule.when else "")


def _run(row: Bits) -> str:
    return f"{row.lsb + row.bits - 1}:{row.lsb}"


def _format_doc() -> str:
    """What the module of the fields says of them."""
    return (inspect.getdoc(inspect.getmodule(Bits)) or "").split("\n\n", 1)[1]


def registers_page() -> str:
    """`docs/registers.md`: every register of the control port, the bits of `status` and the counters."""
    lines = ["# Registers", "", "Written from `spec/registers.py`; do not edit.", ""]
    lines += [_module_doc(), "", f"A register has {REGISTER_BITS} bits. `identity` reads {IDENTITY:#010x}.", ""]
    lines += ["| address | name | access | meaning |", "|---|---|---|---|"]
    lines += [f"| {r.address:#05x} | {r.name} | {r.access} | {r.meaning} |" for r in (*REGISTERS.values(), SEED)]
    lines += ["", "## Bits of status and interrupt", "", "| bit | name |", "|---|---|"]
    bits = {name: value for name, value in vars(Status).items() if name.isupper()}
    lines += [f"| {value.bit_length() - 1} | {name.lower()} |" for name, value in bits.items()]
    lines += ["", inspect.cleandoc(Status.__doc__ or ""), "", "## Counters of a queue", ""]
    lines += [", ".join(COUNTERS) + ".", "", *_counter_doc()]
    return "\n".join(lines) + "\n"


def _names(members: Iterable[Any]) -> str:
    """Spaces or formats, as a cell shows them."""
    return "/".join(member.name for member in members)


def _tree(module: object) -> ast.Module:
    return ast.parse(inspect.getsource(module))  # type: ignore[arg-type]


def _member_docs(kind: type[IntEnum]) -> dict[str, str]:
    """The docstring behind each member, on one line: Python keeps them in the source only."""
    tree = _tree(inspect.getmodule(kind))
    found = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == kind.__name__)
    return docs_behind(found.body)


def docs_behind(body: list[ast.stmt]) -> dict[str, str]:
    out: dict[str, str] = {}
    for before, after in zip(body, body[1:], strict=False):
        targets = before.targets if isinstance(before, ast.Assign) else [getattr(before, "target", None)]
        text = after.value if isinstance(after, ast.Expr) else None
        if isinstance(targets[0], ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
            out[targets[0].id] = " ".join(text.value.split()).replace("|", "\\|")
    return out


def _module_doc() -> str:
    return inspect.getdoc(inspect.getmodule(Status)) or ""


def _counter_doc() -> list[str]:
    return [docs_behind(_tree(inspect.getmodule(Status)).body)["COUNTERS"]]
