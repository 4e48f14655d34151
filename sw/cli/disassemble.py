"""`makalu disassemble`: a program's instructions, NKI's names beside ours."""

from pathlib import Path

from rich.console import Console

from makalu.sw.compile.program_file import load_program

__all__ = ["disassemble"]


def disassemble(path: Path, console: Console) -> None:
    """A line an instruction: queue, address, opcode, what the kernel wrote, fields. Errors: `ProgramError`."""
    program = load_program(path)
    console.print(f"{program.kernel or path.name} for {program.preset}, {program.instructions:,} instructions")
    for tensor in program.tensors.values():
        console.print(f"{tensor.address:#12x} {tensor.name}{list(tensor.shape)} {tensor.dtype}", highlight=False)
    for queue in program.streams:
        for address, instruction in program.steps(queue):
            origin = program.origin(queue, address)
            fields = " ".join(f"{name}={value}" for name, value in instruction.values.items())
            call = f"{origin.call} {origin.site}" if origin is not None else ""
            name = f"{queue.name.lower():7} {instruction.opcode.name.lower():15}"
            console.print(f"{address:#12x} {name} {call:40} {fields}", highlight=False, soft_wrap=True)
