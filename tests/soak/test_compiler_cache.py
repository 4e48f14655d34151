"""What the compiler's cache saves: without what it has, a bench compiles Verilator's own sources for seconds."""

import subprocess

from makalu.sw.rtl import runner
from makalu.sw.rtl.simulators import environment
from tests.rtl.test_runner import run


def test_what_two_benches_share_is_compiled_once(monkeypatch, tmp_path):
    monkeypatch.setattr(runner, "BENCHES", tmp_path / "benches")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "ccache"))
    ccache = environment()["OBJCACHE"]

    def misses():
        run = subprocess.run([ccache, "--print-stats"], capture_output=True, text=True, check=True)
        return int(dict(line.split("\t") for line in run.stdout.splitlines())["cache_miss"])

    assert run(name="first") == 1
    compiled = misses()
    assert compiled > 0
    assert run(name="second") == 1
    assert misses() == compiled + 1  # the bench's own text, in which Verilator names its folder
