"""What the examples' commands share: `python -m makalu.examples.NAME [preset]`, errors of a user in one line."""

import sys
from collections.abc import Callable
from typing import NoReturn

from makalu.spec.errors import MakaluError

__all__ = ["run"]


def run(name: str, main: Callable[..., bool], default: str = "tiny") -> NoReturn:
    """Call `main` with the preset of the command line; the process ends with 0 when it says that all is well."""
    presets = f"a name of `makalu presets`, or a .yaml file; {default}"
    usage = f"usage: python -m makalu.examples.{name} [preset]   ({presets})"
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        print(usage)
        sys.exit(0)
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        sys.exit(usage)
    try:
        sys.exit(not main(*arguments))
    except MakaluError as error:
        sys.exit(f"makalu.examples.{name}: {error}")
