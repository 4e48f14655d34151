"""What a run leaves in a folder: outputs, the program, numbers, the timeline, the report."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from makalu.hw.spec.versions import versions
from makalu.sw.commit import commit
from makalu.sw.compile.program_file import save_program
from makalu.sw.report.page import write_report
from makalu.sw.report.perfetto_trace import write_timeline
from makalu.sw.report.record import RunRecord
from makalu.sw.report.summary import summary

from .execution import Execution

__all__ = ["Outcome", "write_outcome"]


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
    files = {name: folder / f"{name}.npy" for name in arrays}
    for name, values in done.values.items():
        np.save(files[name], values)
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
