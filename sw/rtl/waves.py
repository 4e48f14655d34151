"""Waveforms as FST, the format of GTKWave and Surfer: what a build needs to write them, and what one run is told.

Icarus writes FST by itself. Verilator's writer wants LZ4 and zlib, which a bare machine lacks; `lz4.h` and `zlib.h`
beside this file are what it calls of them, and empty archives take the libraries' places.
"""

from dataclasses import dataclass
from pathlib import Path

from makalu.spec.errors import MakaluError
from makalu.sw.paths import RTL_SOURCES

__all__ = ["FST_ARGS", "Waves", "WavesError", "fst_files"]

FST_ARGS: tuple[str, ...] = (
    *("--trace-fst", "--trace-max-width", "0"),  # signals of any width
    *("--output-split-ctrace", "500"),  # one function for all signals of `tiny` compiles for ten minutes
    *("-CFLAGS", "-I..", "-LDFLAGS", "-L.."),
)
"""Verilator's arguments for a build in a folder below the one that has `fst_files`."""
_EMPTY_ARCHIVE = "!<arch>\n"


class WavesError(MakaluError, ValueError):
    """A waveform cannot be written there, or not by this simulator."""


def fst_files() -> dict[str, str]:
    """Name and text of the files that a build with `FST_ARGS` finds in the folder above its own."""
    headers = {name: (RTL_SOURCES / name).read_text() for name in ("lz4.h", "zlib.h")}
    return {**headers, "liblz4.a": _EMPTY_ARCHIVE, "libz.a": _EMPTY_ARCHIVE}


@dataclass(frozen=True)
class Waves:
    """The waveform of one run: all of it, or `cycles` cycles from `first` on, counted as in its trace.

    Errors: `WavesError` for a file that is not `.fst` or whose folder cannot be made.
    """

    path: Path
    first: int = 0
    cycles: int | None = None

    def __post_init__(self) -> None:
        if self.path.suffix != ".fst":
            raise WavesError(f"waves must go to a file that ends in .fst, not to {self.path}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WavesError(f"waves must go to a folder that can be written to, not {self.path} ({error})") from error
        if self.first < 0 or (self.cycles is not None and self.cycles < 1):
            raise WavesError(f"waves must be of at least one cycle from 0 on, not {self.cycles} from {self.first}")

    @property
    def plusargs(self) -> list[str]:
        """For the hosts of machines; without a limit the reset is in the file, too."""
        first = [f"+waves_first={self.first}"] if self.first else []
        end = [f"+waves_end={self.first + self.cycles}"] if self.cycles is not None else []
        return [f"+waves={self.path.absolute()}", *first, *end]
