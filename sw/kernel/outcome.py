"""What a run leaves in a folder: outputs and inputs, the program, numbers, the timeline, the report."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from makalu.spec.versions import versions
from makalu.spec.whole_file import whole_file, writable_folder, write_whole
from makalu.sw.commit import commit
from makalu.sw.compile.program_file import save_program
from makalu.sw.elements import Bits, from_bits, to_bits
from makalu.sw.report.page import write_report
from makalu.sw.report.perfetto_trace import write_timeline
from makalu.sw.report.record import RunRecord
from makalu.sw.report.summary import summary

from .execution import Execution

__all__ = ["Outcome", "file_names", "write_outcome"]


_SUFFIX = ".npy"
_RESULT = "result.json"
_INPUTS = "inputs"
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


def write_outcome(
    done: Execution,
    folder: Path,
    *,
    inputs: Mapping[str, ArrayLike | Bits],
    arguments: dict[str, str],
    seed: int,
) -> Outcome:
    """Outputs as `NAME.npy`, inputs as `inputs/NAME.npy`, numbers, program, timeline and report.

    Arrays of what numpy lacks are written as float32, which holds every value. Errors: `OutputError`.
    """
    writable_folder(folder)
    _forget(folder)
    forms = {view.name: view.dtype for view in done.program.outputs}
    forms |= {name: done.program.tensors[name].dtype for name in done.changed}
    arrays = {**done.outputs, **done.changed}
    files = {name: folder / f"{file}{_SUFFIX}" for name, file in file_names(arrays).items()}
    for name, values in done.values.items():
        _save(files[name], values)
    input_files = _save_inputs(done, inputs, folder)
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
    for name, path in files.items():
        record["outputs"][name]["file"] = path.name
    record["inputs"] = {name: {"file": file} for name, file in input_files.items()}
    result = folder / _RESULT
    write_whole(result, json.dumps(record, indent=2) + "\n")
    return Outcome(folder, files, result, program, timeline, report)


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Without suffix, each another; names of a kernel may have any characters, files of a folder may not."""
    out: dict[str, str] = {}
    for name in names:
        plain = re.sub(r"[^\w.-]", "_", name).lstrip(".")[:_LONGEST] or "output"
        stem, number = plain, 1
        while stem in out.values():
            stem, number = f"{plain}_{number}", number + 1
        out[name] = stem
    return out


def _save_inputs(done: Execution, inputs: Mapping[str, ArrayLike | Bits], folder: Path) -> dict[str, str]:
    """As they were before the run: whoever wants to compute the outputs in another way needs the same numbers."""
    files = {name: f"{_INPUTS}/{file}{_SUFFIX}" for name, file in file_names(inputs).items()}
    for name, file in files.items():
        form = done.program.tensors[name].format
        _save(folder / file, from_bits(to_bits(inputs[name], form), form))
    return files


def _save(path: Path, values: NDArray[Any]) -> None:
    with whole_file(path) as file:
        np.save(file, values, allow_pickle=False)


def _forget(folder: Path) -> None:
    """Removes what an earlier run left in the same folder, which would be taken for this one's.

    Its numbers first: they are written last, so where they are, everything else is, and of the same run.
    """
    result = folder / _RESULT
    try:
        earlier = json.loads(result.read_text())
        result.unlink()
        files = [str(each["file"]) for kind in ("outputs", "inputs") for each in earlier[kind].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    for file in files:
        if file.removeprefix(f"{_INPUTS}/") == Path(file).name and file.endswith(_SUFFIX):
            (folder / file).unlink(missing_ok=True)


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
