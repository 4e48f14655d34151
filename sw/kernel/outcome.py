"""What a run leaves in a folder: outputs, the program, numbers, the timeline, the report."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.hw.spec.formats import FORMATS
from makalu.hw.spec.versions import versions
from makalu.sw.commit import commit
from makalu.sw.compile.program_file import save_program
from makalu.sw.elements import from_bits
from makalu.sw.report.page import write_report
from makalu.sw.report.perfetto_trace import write_timeline
from makalu.sw.report.record import RunRecord
from makalu.sw.report.summary import summary

from .execution import Execution

__all__ = ["Outcome", "file_names", "write_outcome"]

_LONGEST = 200
"""Characters of a file's name that every file system takes, with what is added."""


@dataclass(frozen=True)
class Outcome:
    """Files of a run."""

    folder: Path
    outputs: dict[str, Path]
    result: Path
    program: Path
    timeline: Path
    """Opens in ui.perfetto.dev."""
    report: Path
    """Opens in a browser."""


def write_outcome(done: Execution, folder: Path, *, arguments: dict[str, str], seed: int) -> Outcome:
    """Each output as `NAME.npy` (bf16 as float32, which holds every value), numbers, program, timeline and report."""
    folder.mkdir(parents=True, exist_ok=True)
    forms = {view.name: view.dtype for view in done.program.outputs}
    forms |= {name: done.program.tensors[name].dtype for name in done.changed}
    arrays = {**done.outputs, **done.changed}
    files = {name: folder / f"{file}.npy" for name, file in file_names(arrays).items()}
    for name, bits in arrays.items():
        np.save(files[name], from_bits(bits, FORMATS[forms[name]]))
    program = folder / "program.makalu"
    save_program(done.program, program)
    run = RunRecord(
        config=done.config,
        program=done.program,
        timeline=done.explained,
        simulated_by="timing model" if done.rtl is None else f"RTL on {done.rtl.simulator}",
        kernel=done.program.kernel,
    )
    timeline, report = folder / "timeline.perfetto-trace", folder / "report.html"
    write_timeline(run, timeline)
    write_report(run, report)
    record = {**_record(done, arrays, forms, arguments, seed), "report": summary(run)}
    result = folder / "result.json"
    result.write_text(json.dumps(record, indent=2) + "\n")
    return Outcome(folder, files, result, program, timeline, report)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file's name for each output, whatever the kernel calls it: no separator, none hidden, no two alike."""
    out: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.-]", "_", name).lstrip(".")[:_LONGEST] or "output"
        unique, number = plain, 1
        while unique in out.values():
            unique, number = f"{plain}_{number}", number + 1
        out[name] = unique
    return out


def _record(
    done: Execution,
    arrays: dict[str, NDArray[np.unsignedinteger]],
    forms: dict[str, str],
    arguments: dict[str, str],
    seed: int,
) -> dict[str, Any]:
    """Everything that a later reader may ask, as JSON."""
    clock = done.config.product.tensor_clock_hz
    record: dict[str, Any] = {
        "kernel": done.program.kernel,
        "preset": done.config.name,
        "digest": done.config.digest,
        "backend": done.backend.value,
        "arguments": arguments,
        "seed": seed,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {**versions(), "commit": commit()},
        "instructions": done.program.instructions,
        "notes": list(done.program.notes),
        "cycles": done.cycles,
        "cycles_are": "the RTL's" if done.rtl is not None else "the timing model's",
        "microseconds_at_clock": done.cycles / clock * 1e6,
        "clock_hz": clock,
        "outputs": {
            name: {"shape": list(bits.shape), "dtype": forms[name], "changed_input": name in done.changed}
            for name, bits in arrays.items()
        },
        "seconds": {name: round(value, 3) for name, value in done.seconds.items()},
    }
    if done.rtl is not None:
        rtl = asdict(done.rtl)
        record["rtl"] = {key: rtl[key] for key in ("simulator", "difference", "events", "build_seconds", "seconds")}
        record["rtl"] |= {"bytes_compared_with_golden": done.compared, "bytes_differing": done.differing}
    return record
