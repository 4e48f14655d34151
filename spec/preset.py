"""The strict loader of the YAML presets.

A preset has every key of `config.py`, none is optional, none is inherited. An unknown or missing key, a wrong type or a
size out of range is a `ConfigError` that names the key, the rule, the value and the preset. So is a key that is given
twice, and whatever else a file may hold that is no preset.
"""

import reprlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from .config import CoreConfig
from .config_rules import ConfigError

__all__ = ["PRESETS", "load_preset", "parse_preset"]


_MOST_BITS = 63
"""Of a number; every rule's bound is far below, and Python refuses to write numbers of thousands of digits."""
_DEEPEST = 200
"""Brackets in brackets; a preset has two."""
_CUT = reprlib.Repr()
_CUT.maxlevel = 2
_CUT.maxstring = _CUT.maxother = 80


def _shown(value: Any) -> str:
    """A value of a file in an error: cut, because a few lines of YAML can make one of any size."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a number of {value.bit_length()} bits"
    try:
        return _CUT.repr(value)
    except ValueError:  # a number of thousands of digits inside of it
        return f"this {type(value).__name__}"


def _build(cls: type, data: Any, place: str, preset: str) -> Any:
    if not isinstance(data, dict):
        raise ConfigError(f"{place or 'the file'} must be a mapping, not {_shown(data)} (preset {preset})")
    prefix = f"{place}." if place else ""
    known = {f.name: f for f in fields(cls)}
    for key in data:
        if key not in known:
            name = key if isinstance(key, str) and key.isprintable() else _shown(key)
            raise ConfigError(f"{prefix}{name} is not a known key; known are {sorted(known)} (preset {preset})")
    values: dict[str, Any] = {}
    for key, field in known.items():
        if key not in data:
            raise ConfigError(f"{prefix}{key} is missing; every preset has every key (preset {preset})")
        value, kind = data[key], field.type
        if is_dataclass(kind):
            value = _build(kind, value, f"{prefix}{key}", preset)  # type: ignore[arg-type]
        elif kind in (int, str):
            if type(value) is not kind:
                rule = f"{prefix}{key} must be of type {kind.__name__}"
                raise ConfigError(f"{rule}, not {_shown(value)} (preset {preset})")
            if isinstance(value, int) and value.bit_length() > _MOST_BITS:
                rule = f"{prefix}{key} must be a number of at most {_MOST_BITS} bits"
                raise ConfigError(f"{rule}, not {_shown(value)} (preset {preset})")
        else:  # tuple[str, ...]
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise ConfigError(f"{prefix}{key} must be a list of names, not {_shown(value)} (preset {preset})")
            value = tuple(value)
        values[key] = value
    return cls(**values)


class _Loader(yaml.SafeLoader):
    """YAML lets a second value of a key win in silence; here it is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key must be a word", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key.value!r} must be given once", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _depth(text: str) -> int:
    """Of brackets in brackets, as far as the text can be read."""
    depth = deepest = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        deepest = max(deepest, depth)
        if deepest > _DEEPEST:
            break
    return deepest


def parse_preset(text: str, *, source: str) -> CoreConfig:
    """The configuration that `text` (YAML) describes; `source` names it in errors."""
    try:
        if _depth(text) > _DEEPEST:
            raise RecursionError  # which PyYAML would only meet where the interpreter's limit is a usual one
        data = yaml.load(text, _Loader)
    except RecursionError as error:
        raise ConfigError(f"brackets must not be nested so deeply (preset {source})") from error
    except Exception as error:  # yaml's, and what its constructors meet: a date that is none is a ValueError, ...
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "".join(str(error).splitlines()[:1]) or type(error).__name__
        if not isinstance(error, yaml.YAMLError | ValueError):
            problem = f"a value is not what its tag says: {problem}"
        raise ConfigError(f"{problem} (preset {source}{place})") from error
    try:
        config: CoreConfig = _build(CoreConfig, data, "", source)
    except ConfigError as error:
        if f"(preset {source})" in str(error):
            raise
        raise ConfigError(f"{error} in {source}") from error  # the name inside may be another preset's
    return config


_FOLDER = Path(__file__).parent / "presets"
PRESETS: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_preset(name: str) -> CoreConfig:
    """A shipped preset by name, or a user's own by path (anything that ends in `.yaml`)."""
    if name.endswith(".yaml"):
        path = Path(name)
    elif name in PRESETS:
        path = _FOLDER / f"{name}.yaml"
    else:
        raise ConfigError(f"preset must be one of {list(PRESETS)} or a path that ends in .yaml, not {name!r}")
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"preset file {name} is no file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"preset file {name} does not exist") from error
    except OSError as error:
        raise ConfigError(f"preset file {name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"a preset must be UTF-8 text: {error} (preset {name})") from error
    return parse_preset(text, source=name)
