"""The file of a program: a zip of numpy arrays and one JSON header, versioned and checksummed.

`NAME.makalu` is an `.npz`: `header` (JSON text), `stream_<queue>` (instructions), `constant_<n>` (element bits of
the header's n-th constant), `origins_<queue>` (for each instruction the number of its line in the header, -1 for none)
and `checksum` (SHA-256 of all the others, in the order of their names). The header has `version` of the file and
`encoding` of the instructions (`spec/fields.py`; both are looked at before anything else), kernel, preset and
digest of the configuration, the register `seed`, tensors with their addresses, inputs, outputs as views, tiles, and the
kernel's lines.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.spec.isa import ENCODING_VERSION, QUEUES
from makalu.spec.whole_file import whole_file

from .program import MemoryTensor, Origin, OutputView, Program, ProgramError
from .tile import PlacedTile

__all__ = ["VERSION", "load_program", "save_program"]

VERSION = 3
"""Of the header; a file of another one is refused."""
_FORMAT = "makalu program"


def save_program(program: Program, path: Path) -> None:
    """Write `program` to `path`, over what is there. Errors: `OutputError`; then `path` is what it was."""
    header = {
        "format": _FORMAT,
        "version": VERSION,
        "encoding": ENCODING_VERSION,
        "kernel": program.kernel,
        "preset": program.preset,
        "digest": program.digest,
        "random_seed": program.random_seed,
        "tensors": [asdict(t) for t in program.tensors.values()],
        "inputs": program.inputs,
        "outputs": [asdict(view) for view in program.outputs],
        "changed": program.changed,
        "constants": list(program.constants),
        "notes": program.notes,
        "lines": [asdict(line) for line in program.lines],
        "tiles": [asdict(tile) for tile in program.tiles],
    }
    arrays: dict[str, NDArray[Any]] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    for queue, stream in program.streams.items():
        arrays[f"stream_{queue.name.lower()}"] = np.frombuffer(stream, np.uint8)
    for queue, numbers in program.origins.items():
        arrays[f"origins_{queue.name.lower()}"] = np.array([-1 if n is None else n for n in numbers], "<i4")
    for number, bits in enumerate(program.constants.values()):
        arrays[f"constant_{number}"] = np.ascontiguousarray(bits)
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, checksum=_checksum(arrays), **arrays)


def load_program(path: Path) -> Program:
    """The inverse of `save_program`. Errors: `ProgramError` for what is no program, damaged, or of another version."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(arrays["header"].tobytes())
        if header["format"] != _FORMAT:
            raise KeyError("format")
    except OSError as error:
        raise ProgramError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # of zipfile, zlib, numpy and json, each with kinds of its own for damaged bytes
        raise ProgramError(f"{path} is not a program of makalu") from error
    if header.get("version") != VERSION:
        raise ProgramError(f"{path} has version {header.get('version')} of the program file, this is {VERSION}")
    if header.get("encoding") != ENCODING_VERSION:
        encoding = header.get("encoding")
        raise ProgramError(f"{path} has version {encoding} of the instruction encoding, this is {ENCODING_VERSION}")
    checksum = arrays.pop("checksum", np.zeros(0, np.uint8))
    if not np.array_equal(checksum, _checksum(arrays)):
        raise ProgramError(f"{path} is damaged: its checksum differs from its content")
    try:
        program = _program(header, arrays)
        texts = (program.kernel, program.preset, program.digest)
        names = {*program.inputs, *program.changed, *program.constants, *(view.tensor for view in program.outputs)}
        if not all(isinstance(text, str) for text in texts) or not names <= program.tensors.keys():
            raise ValueError("a text or a tensor is missing")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProgramError(f"{path} has a header that is no program's: {error}") from error
    return program


def _program(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Program:
    tensors = [MemoryTensor(**{**t, "shape": tuple(t["shape"])}) for t in header["tensors"]]
    views = [OutputView(**{**v, "shape": tuple(v["shape"]), "steps": tuple(v["steps"])}) for v in header["outputs"]]
    streams = {q: arrays[key].tobytes() for q in QUEUES if (key := f"stream_{q.name.lower()}") in arrays}
    return Program(
        streams=streams,
        tensors={t.name: t for t in tensors},
        inputs=tuple(header["inputs"]),
        outputs=tuple(views),
        changed=tuple(header["changed"]),
        preset=header["preset"],
        digest=header["digest"],
        random_seed=int(header["random_seed"]),
        kernel=header["kernel"],
        notes=tuple(header["notes"]),
        constants={name: arrays[f"constant_{n}"] for n, name in enumerate(header["constants"])},
        lines=tuple(Origin(line["call"], tuple(line["sites"]), line["operands"]) for line in header["lines"]),
        origins={
            q: tuple(None if n < 0 else int(n) for n in arrays[key])
            for q in QUEUES
            if (key := f"origins_{q.name.lower()}") in arrays
        },
        tiles=tuple(PlacedTile(**tile) for tile in header["tiles"]),
    )


def _checksum(arrays: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return np.frombuffer(digest.digest(), np.uint8)
