"""A real browser for pages: what a page complains about, and what it asks for beside itself, is an error.

Skipped where no Chromium is on PATH; with `MAKALU_REQUIRE_CHROMIUM=1` (the project's own checks) that is a failure.
"""

import os
import shutil
import tempfile
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="module")
def context():
    """One Chromium with a new profile."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("MAKALU_REQUIRE_CHROMIUM") == "1":
            pytest.fail("chromium must be on PATH when MAKALU_REQUIRE_CHROMIUM is 1")
        pytest.skip("no chromium on PATH")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as driver:
        size = {"width": 1280, "height": 1600}
        running = driver.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=FLAGS, viewport=size
        )
        yield running
        running.close()


@pytest.fixture
def browser(context):
    """Opens a file; what the page complains about, and what it asks for beside itself, is an error."""

    @contextmanager
    def opened(path, scheme="light"):
        tab = context.new_page()
        tab.emulate_media(color_scheme=scheme)
        complaints, requests = [], []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(path.as_uri())
        yield tab
        assert not complaints
        assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
        tab.close()

    return opened
