"""The part of `makalu bench` for the compiler's passes, on short programs."""

from rich.console import Console

from makalu.sw.cli.bench import compile_passes


def test_every_pass_states_seconds_and_growth(monkeypatch):
    for name, value in {"SHORT": 20, "LONG": 60, "RUNS": 1}.items():
        monkeypatch.setattr(compile_passes, name, value)
    figures = {figure.name: figure for figure in compile_passes.measure(Console(quiet=True))}
    assert set(figures) == {
        f"compile_{name}_{what}" for name in ("patterns", "allocate", "schedule") for what in ("seconds", "growth")
    }
    assert all(figure.value > 0 for figure in figures.values() if figure.name.endswith("growth"))
