"""Stochastic rounding of a compiled program: NKI has no word for it, the runtime switches it on for a whole program."""

from collections.abc import Callable
from dataclasses import replace

from makalu.spec.config import CoreConfig
from makalu.spec.encoding import Instruction, decode, encode
from makalu.spec.isa import INSTRUCTION_BYTES, used_fields
from makalu.spec.random_bits import SHORTER, Rounding, spread

from .program import Program, ProgramError

__all__ = ["can_round", "stochastic"]

_CODES = {form.code for form in SHORTER}


def can_round(instruction: Instruction) -> bool:
    """Its result is a float that is shorter than fp32, and its engine rounds it."""
    return "rounding" in used_fields(instruction.opcode) and instruction["dst_dtype"] in _CODES


def stochastic(
    program: Program,
    config: CoreConfig,
    *,
    seed: int = 0,
    which: Callable[[Instruction], bool] = lambda instruction: True,
) -> Program:
    """The same program with every result rounded stochastically that can be, of those that `which` names.

    `seed` is any number; what it leaves in the register `seed` is `spread`. Errors: `ProgramError` for a core without
    it, or a program of another one.
    """
    if not config.stochastic:
        raise ProgramError(f"preset {config.name} has no stochastic rounding")
    if config.digest != program.digest:
        raise ProgramError(f"the program was compiled for preset {program.preset}, not for {config.name}")

    def rounded(word: bytes) -> bytes:
        instruction = decode(word)
        if not (can_round(instruction) and which(instruction)):
            return word
        return encode(Instruction(instruction.opcode, {**instruction.values, "rounding": int(Rounding.STOCHASTIC)}))

    streams = {
        queue: b"".join(rounded(stream[at : at + INSTRUCTION_BYTES]) for at in range(0, len(stream), INSTRUCTION_BYTES))
        for queue, stream in program.streams.items()
    }
    return replace(program, streams=streams, random_seed=spread(seed))
