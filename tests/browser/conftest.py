"""A real browser, Debian's chromium, before a real server."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without a window. Skipped where there is none, or no Playwright to drive it.

    Gone with these tests: its event loop is in this thread, and others want their own.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: the extra `test`")
    with api.sync_playwright() as playwright:
        # Root, as in containers, has no sandbox.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
