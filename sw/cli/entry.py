"""The console script `makalu`: the command, and what may go wrong before it begins and after it ended.

Python imports for a second, and an interrupt meanwhile is as silent as any other. What is still on its way to standard
output when the command ends may have no room there.
"""

import errno
import importlib
import os
import signal
import sys
import warnings
from types import FrameType

__all__ = ["INTERRUPTED", "main"]

INTERRUPTED = 130
"""Exit code after ^C, as shells have it."""
_AGAIN = 0.01
"""Seconds."""


def main() -> None:
    """Ends the process: 0 when all is well, 1 after a line about an error, 130 after an interrupt."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    code = _called()
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would try again, and tell of it
        if not code and error.errno != errno.EPIPE:
            print(f"makalu: standard output cannot be written: {error.strerror}", file=sys.stderr)
        code = code or 1
    sys.exit(code)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """What is being built is dropped without a word: Amaranth warns of parts that nothing used."""
    del number
    warnings.simplefilter("ignore")
    if not _finalises(frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)


def _finalises(frame: FrameType | None) -> bool:
    """In a finaliser Python would drop the exception, and go on."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _called() -> int:
    try:
        importlib.import_module("makalu.sw.cli.main").app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # of an import: the folder of the call was removed, for one
        print(f"makalu: {error.filename or os.curdir}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    main()
