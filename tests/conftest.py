"""Icarus benches: run where Icarus is, named at the end where it is not, an error where it is required.

The marker `icarus` says that a test needs the second, four-state simulator. It is not on the package index, so a
machine may lack it; then these tests are deselected, and the summary lists each of them. With `MAKALU_REQUIRE_ICARUS=1`
(the project's own checks) its absence is an error. The marker `slow` leaves a test out of `make smoke`.
"""

import pytest

from makalu.sw.rtl.simulators import have_icarus

_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config):
    config.addinivalue_line("markers", "icarus: needs the simulator iverilog on PATH")
    config.addinivalue_line("markers", "slow: longer than a few seconds; not in `make smoke`")
    config.stash[_LEFT_OUT] = []


def pytest_collection_modifyitems(config, items):
    if have_icarus():
        return
    left_out = [item for item in items if item.get_closest_marker("icarus")]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker("icarus")]
        config.hook.pytest_deselected(items=left_out)
        config.stash[_LEFT_OUT] = sorted(item.nodeid for item in left_out)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # a worker of xdist: only its controller has a terminal
        session.config.workeroutput["left_out"] = session.config.stash[_LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    names = getattr(node, "workeroutput", {}).get("left_out", [])
    node.config.stash[_LEFT_OUT] = sorted({*node.config.stash[_LEFT_OUT], *names})


def pytest_terminal_summary(terminalreporter, config):
    names = config.stash[_LEFT_OUT]
    if names:
        terminalreporter.section(f"left out: {len(names)} benches need iverilog, which is not on PATH")
        for name in names:
            terminalreporter.line(name)
