"""The forms of the code that `lanes` generates, and a compiler for small programs in each of them."""

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from makalu.sw.paths import RTL_SOURCES
from makalu.sw.rtl.simulators import environment

__all__ = ["FORMS", "PRESENT", "Form", "compiled", "needed"]


@dataclass(frozen=True)
class Form:
    """Lanes, options of the compiler, and what /proc/cpuinfo must list for the program to run."""

    lanes: int
    options: tuple[str, ...]
    flags: frozenset[str] = frozenset()

    @property
    def missing(self) -> list[str]:
        """What this machine's processor lacks."""
        return sorted(self.flags - processor())


@cache
def processor() -> frozenset[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() and platform.machine() == "x86_64" else []
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


AVX2 = frozenset({"avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe"})
AVX512 = AVX2 | {"avx512f", "avx512vl", "avx512dq", "avx512cd", "avx512bw"}
FORMS = {
    "avx512-16": Form(16, ("-march=x86-64-v4",), AVX512),
    "avx512-8": Form(8, ("-march=x86-64-v4",), AVX512),
    "avx2-8": Form(8, ("-march=x86-64-v3",), AVX2),
    "plain-4": Form(4, ("-DPLAIN",)),
    "single": Form(1, ("-DPLAIN",)),
}
PRESENT = [name for name, form in FORMS.items() if not form.missing]
"""Those that run here."""


def needed(form: str) -> None:
    """Skips the test, by name, if the processor lacks the form."""
    if FORMS[form].missing:
        pytest.skip(f"form {form}: this processor lacks {', '.join(FORMS[form].missing)}")


def compiled(text: str, form: str, folder: Path, *options: str) -> Path:
    """The program of a C++ text; text that was compiled before costs little."""
    (folder / f"{form}.cpp").write_text(text)
    what, variables = FORMS[form], environment()
    launcher = [variables["OBJCACHE"]] if "OBJCACHE" in variables else []
    command = [*launcher, "g++", "-std=c++20", "-w", *options, *what.options, f"-DLANES={what.lanes}"]
    # names without a folder: they are part of what is compared with earlier text
    command += [f"-I{RTL_SOURCES / 'lanes'}", "-c", f"{form}.cpp", "-o", f"{form}.o"]
    subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=True)
    subprocess.run(["g++", f"{form}.o", "-o", form], cwd=folder, check=True)
    return folder / form
