"""docs/tutorial.md, executed: files are saved, commands and Python run in order, and say what the page says."""

import contextlib
import io
import re
import subprocess

import pytest
from typer.testing import CliRunner

from makalu.sw.cli.main import app
from makalu.sw.paths import ROOT

PAGE = (ROOT / "docs/tutorial.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)
SAVED = re.compile(r"# (\w+\.py)\n")
INSTALLING = re.compile(r'make (\w+)|export PATH="\$PWD/.venv/bin:\$PATH"')


def said_by(kind, text, names):
    """What a block prints, after it has done what it does."""
    if kind == "python":
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(text, "tutorial.md", "exec"), names)
        return said.getvalue()
    assert kind == "sh", kind
    out = []
    for line in text.splitlines():
        if installing := INSTALLING.fullmatch(line):
            if installing[1]:
                subprocess.run(["make", "-n", installing[1]], cwd=ROOT, check=True, capture_output=True)
            continue
        program, *arguments = line.split()
        assert program == "makalu", line
        result = CliRunner().invoke(app, arguments)
        assert isinstance(result.exception, SystemExit | None), result.exception
        out.append(result.output)
    return "".join(out)


def assert_as_shown(shown, said):
    """Line by line; a line that is `…` stands for any lines, `…` inside of one for any text."""
    lines = [re.escape(line.rstrip()).replace("…", ".*") for line in shown.splitlines()]
    pattern = "".join("(?:.*\n)*?" if line == ".*" else f"{line}\n" for line in lines)
    plain = "".join(f"{line.rstrip()}\n" for line in said.splitlines())
    assert re.fullmatch(pattern, plain), f"the page shows\n{shown}\nit says\n{said}"


@pytest.mark.slow
def test_every_block_does_what_the_page_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    names, said, shown = {}, "", 0
    for kind, text in BLOCKS:
        if kind == "text":
            assert_as_shown(text, said)
            shown += 1
        elif saved := SAVED.match(text):
            (tmp_path / saved[1]).write_text(text)
        else:
            said = said_by(kind, text, names)
    assert shown > 8 and (tmp_path / "rtl/report.html").is_file()


def test_the_three_kinds_of_errors_are_shown():
    for kind in ("not in NKI: ", "in NKI, not built here yet: ", "illegal: "):
        assert f"```text\nmakalu: {kind}" in PAGE, kind


def test_pictures_are_there_and_small():
    pictures = re.findall(r"!\[.+?\]\((pictures/[\w-]+\.png)\)", PAGE)
    assert len(pictures) == 2
    for picture in pictures:
        assert (ROOT / "docs" / picture).stat().st_size < 150_000, picture
