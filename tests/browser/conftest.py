"""A real browser, Debian's chromium, before a console."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
#: A busy machine starts slowly; the page looks every second, and into the folder every ten.
PATIENCE_MS = 60_000
OpenUrl = Callable[[str], Any]


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


@pytest.fixture
def open_url(browser: Any) -> Iterator[OpenUrl]:
    """Opens the page of a console; whatever the page complains of fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []

    def opened(url: str) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: (
                complaints.append(said.text)
                if said.type == "error" and "Failed to load resource" not in said.text
                else None
            ),
        )
        page.goto(url)
        return page

    yield opened
    context.close()
    assert complaints == []


def confirm(page: Any) -> None:
    """Do what a dialog asks about, and see it closed."""
    page.locator("#confirm").click()
    page.locator("#confirmation").wait_for(state="hidden")


def press(page: Any, name: str) -> None:
    """Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()
