"""Strict presets: every shipped file loads, and each way of breaking one is refused with key, rule and value."""

import dataclasses
import os
import re
from pathlib import Path

import pytest

from makalu.spec import config as config_module
from makalu.spec.config_rules import ConfigError
from makalu.spec.preset import PRESETS, load_preset, parse_preset
from makalu.spec.sequencer import DECODE_PERIOD

FOLDER = Path(config_module.__file__).parent / "presets"
TINY = (FOLDER / "tiny.yaml").read_text()


def keys(value, prefix=""):
    if not dataclasses.is_dataclass(value):
        return {prefix}
    return {k for f in dataclasses.fields(value) for k in keys(getattr(value, f.name), f"{prefix}.{f.name}")}


@pytest.mark.parametrize("name", PRESETS)
def test_preset_loads_and_says_fact_or_choice(name):
    config = load_preset(name)
    assert config.name == name
    assert keys(config) == keys(load_preset("tiny"))
    for line in (FOLDER / f"{name}.yaml").read_text().splitlines():
        stripped = line.split("#")[0].strip()
        if stripped and not stripped.endswith(":") and not stripped.startswith("name"):
            assert re.search("# (fact|choice)", line), f"{name}: {line}"


@pytest.mark.parametrize("name", PRESETS)
def test_buffered_work_is_what_the_preset_says(name):
    line = next(line for line in (FOLDER / f"{name}.yaml").read_text().splitlines() if "buffer_instructions" in line)
    places, *said = (int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", line))
    assert places == load_preset(name).sequencer.buffer_instructions
    assert said == [places * DECODE_PERIOD, DECODE_PERIOD, places * 64, 64]


def test_generations_have_the_documented_sizes():
    """Facts of the plan's section 6, typed again on purpose: a second reading of the presets."""
    assert [load_preset(g).sbuf.partition_bytes // 1024 for g in ("trn1", "trn2", "trn3")] == [192, 224, 256]
    assert [str(load_preset(g).vector.ratio) for g in ("trn1", "trn2", "trn3")] == ["2/5", "2/5", "1/2"]
    assert [float(load_preset(f"{g}-mini").memory.rate) for g in ("trn1", "trn2", "trn3")] == [36.6, 37.7, 63.8]
    assert all(load_preset(g).psum.partition_bytes == 16 * 1024 for g in ("trn1", "trn2", "trn3"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  tile: 4 ", "  tile: 4\n  tiles: 4 ", "tensor.tiles is not a known key"),
        ("partitions: 4 ", "# partitions ", "partitions is missing; every preset has every key"),
        ("  tile: 4 ", "  tile: four #", "tensor.tile must be of type int, not 'four'"),
        ("  tile: 4 ", "  tile: true #", "tensor.tile must be of type int, not True"),
        ("  tile: 4 ", "  tile: 3 #", "tensor.tile must be a power of two from 2 to 4, not 3"),
        ("partitions: 4 ", "partitions: 6 #", "partitions must be a power of two from 4 to 128, not 6"),
        ("  rows: 4 ", "  rows: 8 #", r"tensor.rows must be partitions \(4\), not 8"),
        ("  columns: 4 ", "  columns: 8 #", r"tensor.columns must be partitions \(4\), not 8"),
        ("mul_stages: 2", "mul_stages: 4", "tensor.mul_stages must be from 1 to 3, not 4"),
        ("add_stages: 1", "add_stages: 4", "tensor.add_stages must be from 1 to 3, not 4"),
        ("load_columns: 2", "load_columns: 4", r"tensor.load_columns must be sbuf.word_bytes / 4 \(2\), not 4"),
        ("subnormals: keep", "subnormals: round", "tensor.subnormals must be keep or flush, not 'round'"),
        ("formats: [bf16, ", "formats: [bf16, int8, ", "tensor.formats must be some of .* in that order"),
        ("formats: [bf16, fp16, ", "formats: [fp16, bf16, ", "tensor.formats must be some of .* in that order"),
        ("formats: [bf16, ", "formats: [", "tensor.formats must be a list with bf16"),
        ("formats: [", "formats: bf16 #", "tensor.formats must be a list of names"),
        ("subnormals: keep", "subnormals: flush", "tensor.subnormals must be keep where a format .* has a lower part"),
        ("features: []", "features: [double_row]", "features must be among"),
        ("  engines: 1 ", "  engines: 16 ", "dma.engines must be 1"),
        ('vector: {rate: "1/1"}', 'vector: {rate: "3/2"}', "vector.rate must be in"),
        ('vector: {rate: "1/1"}', 'vector: {rate: "fast"}', "vector.rate must be a fraction such as"),
        ('bytes_per_cycle: "8"', 'bytes_per_cycle: "8/0"', "memory.bytes_per_cycle must be a fraction"),
        ('vector: {rate: "1/1"}', "vector: 1", "vector must be a mapping, not 1"),
        ('vector: {rate: "1/1"}', 'vector: {rate: "1e999999999"}', "vector.rate must be a fraction such as"),
        ('bytes_per_cycle: "8"', 'bytes_per_cycle: "0"', "memory.bytes_per_cycle must be positive, .* not '0'"),
        ('bytes_per_cycle: "8"', 'bytes_per_cycle: "70000"', "a numerator up to 65535 .* not '70000'"),
        ('bytes_per_cycle: "8"', 'bytes_per_cycle: "99.999"', "a numerator up to 65535 .* not '99999/1000'"),
        ('bytes_per_cycle: "8"', 'bytes_per_cycle: "8/1001"', "a denominator up to 1000, not '8/1001'"),
        ("  burst_bytes: 64", "  burst_bytes: 100", "dma.burst_bytes must be a power of two"),
        ("name: tiny", "name: ../escaped", r"name must be a letter or digit, then letters.* not '../escaped'"),
        ("name: tiny", "name: .hidden", "name must be a letter or digit, .* not '.hidden'"),
        ("name: tiny", 'name: ""', "name must be a letter or digit, .* not ''"),
        ("name: tiny", f"name: {'a' * 65}", "name must be .*up to 64 in all"),
        ("generation: none", "generation: zzz", r"product.generation must be among \['none', .* not 'zzz'"),
        ("clock_hz: 100000000 ", "clock_hz: 0 ", "product.tensor_clock_hz must be from 1000000 to 10000000000, not 0"),
        ("cores_per_chip: 1 ", "cores_per_chip: -1 ", "product.cores_per_chip must be from 1 to 1024, not -1"),
        ("full_partitions: 128", "full_partitions: 0", "product.full_partitions must be a power of two from 4 to 128"),
    ],
)
def test_preset_rejected(old, new, message):
    assert old in TINY
    with pytest.raises(ConfigError, match=message) as error:
        parse_preset(TINY.replace(old, new), source="mine")
    assert "(preset" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  tile: 4 ", "  tile: 4\n  tile: 2 ", r"key 'tile' must be given once \(preset mine, line 12\)"),
        ("partitions: 4 ", "partitions: 4\nname: other\n# ", r"key 'name' must be given once \(preset mine, line 7\)"),
        ("partitions: 4 ", "partitions: [4 ", r"expected ',' or '\]'.* \(preset mine, line \d+\)"),
        ("partitions: 4 ", "\tpartitions: 4 ", r"cannot start any token \(preset mine, line 6\)"),
        ("partitions: 4 ", "[4]: 4 ", r"a key must be a word \(preset mine, line 6\)"),
        ("partitions: 4 ", "partitions: !!python/name:os.system x ", r"could not determine .* \(preset mine, line 6\)"),
        ("partitions: 4 ", "partitions: \x01 ", r"special characters are not allowed \(preset mine\)"),
        ("partitions: 4 ", "partitions: 2024-99-99 ", r"month must be in 1..12 \(preset mine\)"),
    ],
)
def test_yaml_rejected(old, new, message):
    assert old in TINY
    with pytest.raises(ConfigError, match=message) as error:
        parse_preset(TINY.replace(old, new, 1), source="mine")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5000, "brackets must not be nested so deeply"),
        ("{a: " * 5000, "brackets must not be nested so deeply"),
        ("- " * 5000 + "x", "brackets must not be nested so deeply"),
        ("[" * 100 + "]" * 100, r"the file must be a mapping, not \[\["),
        ("name: !!int ''", "a value is not what its tag says"),
        ("name: !!bool maybe", "a value is not what its tag says"),
        ("name: !!timestamp never", "a value is not what its tag says"),
        ("name: !!float x", "could not convert string to float"),
        ("", "the file must be a mapping, not None"),
        ("&a [*a, *a]", r"the file must be a mapping, not \["),
        ("x y", "the file must be a mapping, not 'x y'"),
        ('"a\\nb": 1', r"'a\\nb' is not a known key"),
        ("5: 1", "5 is not a known key"),
        ("? [a]\n: b", "a key must be a word"),
        ("<<: 5", "expected a mapping or list of mappings for merging"),
        ("%YAML 9.9\n---\na: b", "found incompatible YAML document"),
        ("a: b\n---\nc: d", "but found another document"),
    ],
)
def test_what_is_no_preset_at_all_is_one_short_line(text, message):
    with pytest.raises(ConfigError, match=rf"{message}.*\(preset mine") as error:
        parse_preset(text, source="mine")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (f"0x{'f' * 5000} #", "partitions must be a number of at most 63 bits, not a number of 20000 bits"),
        (f"{'9' * 5000} #", "Exceeds the limit"),
        (f"[0x{'f' * 5000}] #", "partitions must be of type int, not this list"),
        ("[" + "[x, x, x, x, x, x, x, x], " * 500 + "] #", r"partitions must be of type int, not \[\["),
        (f"{'x' * 5000} #", "partitions must be of type int, not 'xxx"),
    ],
)
def test_a_value_of_any_size_is_one_short_line(new, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_preset(TINY.replace("partitions: 4 ", f"partitions: {new}"), source="mine")
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_aliases_that_make_a_value_of_any_size_are_cut():
    """Nine aliases of nine, ten times: three thousand million words."""
    steps = "".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    with pytest.raises(ConfigError, match=r"the file must be a mapping, not \[") as error:
        parse_preset(f"- &a0 word\n{steps}", source="mine")
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), "is no file"),
        (lambda path: path.symlink_to("/nowhere"), "does not exist"),
        (lambda path: path.symlink_to(path), "cannot be read: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/proc/self/mem"), "cannot be read: Input/output error"),
        (lambda path: os.mkfifo(path), "is no file"),
    ],
    ids=["folder", "broken link", "loop", "unreadable", "pipe"],
)
def test_a_file_that_cannot_be_read_rejected(tmp_path, make, message):
    make(tmp_path / "mine.yaml")
    with pytest.raises(ConfigError, match=rf"preset file .*mine.yaml {message}"):
        load_preset(str(tmp_path / "mine.yaml"))
    with pytest.raises(ConfigError, match=r"cannot be read: File name too long"):
        load_preset(f"{'n' * 300}.yaml")


def test_moved_biases_need_a_type_that_has_them():
    config = load_preset("trn1")
    with pytest.raises(ConfigError, match=r"features must be without cfp8 where tensor.formats has none of \['e5m2', "):
        dataclasses.replace(config, tensor=dataclasses.replace(config.tensor, formats=("bf16", "fp16")))
    assert [load_preset(name).cfp8 for name in ("trn1", "trn2", "trn3")] == [True, True, False]


def test_unreadable_preset_rejected(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(ConfigError, match=r"must be UTF-8 text: .*mine.yaml\)"):
        load_preset(str(path))


def test_unknown_preset_rejected():
    with pytest.raises(ConfigError, match="preset must be one of .*'tiny'.* not 'huge'"):
        load_preset("huge")
    with pytest.raises(ConfigError, match="preset file nowhere.yaml does not exist"):
        load_preset("nowhere.yaml")


def test_own_preset_by_path(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TINY.replace("name: tiny", "name: mine").replace("add_stages: 1", "add_stages: 2"))
    mine = load_preset(str(path))
    assert (mine.name, mine.tensor.add_stages) == ("mine", 2)
    assert mine.digest != load_preset("tiny").digest
