"""Makalu as a user has it: a wheel of the checkout, installed in an environment that knows nothing of the checkout.

Neither needs a network: setuptools builds, and the environment finds the dependencies where the tests have them.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

from makalu.sw.paths import ROOT

__all__ = ["FOLDERS", "Environment", "build_wheel"]

FOLDERS = ("spec", "hw", "sim_models", "sw", "examples", "constraints")
"""What `src/makalu` links to."""
_BESIDE = ("pyproject.toml", "README.md", "LICENSE")


def build_wheel(folder: Path) -> Path:
    """Of a copy of the sources: setuptools builds in the folder itself, and would take what an earlier build left."""
    copy = folder / "sources"
    shutil.copytree(ROOT / "src", copy / "src", symlinks=True, ignore=shutil.ignore_patterns("*.egg-info"))
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _BESIDE:
        shutil.copy(ROOT / name, copy)
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", build, str(folder)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.splitlines()[-1]


class Environment:
    """An empty environment with a wheel in it, and a folder to call its programs in."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.folder, self.here = folder / "environment", folder / "here"
        self.here.mkdir()
        venv.create(self.folder, symlinks=True, with_pip=False)
        self.python = self.folder / "bin" / "python"
        where = {"base": str(self.folder), "platbase": str(self.folder)}
        self.packages = Path(sysconfig.get_path("purelib", vars=where))
        (self.packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(_dependencies())))
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        command = [*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", str(wheel)]
        subprocess.run(command, check=True, capture_output=True, text=True, env=self._variables())

    def call(self, *arguments: str, program: str = "makalu") -> subprocess.CompletedProcess[str]:
        """A program of the environment, in `here`."""
        command = [str(self.folder / "bin" / program), *arguments]
        return subprocess.run(
            command, cwd=self.here, capture_output=True, text=True, check=False, env=self._variables()
        )

    def _variables(self) -> dict[str, str]:
        """Without what would lead to the checkout."""
        ours = {"PYTHONPATH", "MAKALU_BUILD", "VIRTUAL_ENV", "PYTHONHOME"}
        return {key: value for key, value in os.environ.items() if key not in ours}


def _dependencies() -> set[str]:
    """The folders of the packages that `pyproject.toml` names; what those need lies beside them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[\w.-]+", text)[0] for text in project["dependencies"]]
    return {str(Path(distribution(name).locate_file(""))) for name in names}
