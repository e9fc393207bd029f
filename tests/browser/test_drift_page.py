"""Versions whose tensors are watched, on the console's page.

`DRIFT_PICTURES=FOLDER pytest tests/browser/test_drift_page.py` leaves there how they look.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.conftest import OpenUrl
from tests.ports import free_ports
from tests.unit.desk import Desk
from tests.unit.drifting import WATCHED, Gateway, look

from headrace.console.logbook import Logbook
from headrace.console.server import Console
from headrace.models.lifecycle import State


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Desk]:
    logbook = Logbook(tmp_path / "logs", None)
    desk = Desk(tmp_path, logbook, m=[1])
    desk.watched = {1: WATCHED}
    desk.begin()
    desk.now = time.time()
    desk.stand(m={1: State.READY})
    yield desk
    desk.close()
    logbook.close()


def test_the_page_shows_what_has_drifted_and_says_where_it_is_over(
    watching: Desk, open_url: OpenUrl
) -> None:
    desk, gateway = watching, Gateway(1)
    look(desk, gateway, rows=400)
    port = free_ports()
    console = Console("127.0.0.1", port, desk.sources)
    console.start()
    try:
        page = open_url(f"http://127.0.0.1:{port}/")
        card = page.get_by_role("article", name="Drift of m/1")
        card.get_by_text("nothing compared yet").wait_for()
        card.get_by_text("400 rows are its reference").wait_for()
        for _ in range(3):
            look(desk, gateway, rows=100, shift=30)
        card.get_by_text("drifted").wait_for()
        feature = card.get_by_role("listitem")
        assert feature.locator("span").first.text_content() == "input x: mean"
        assert "since" in feature.text_content()
        bars = feature.locator("rect.now")
        heights = [float(one.get_attribute("height").rstrip("%")) for one in bars.all()]
        assert heights[0] == 0
        assert heights[-1] == 100
        if folder := os.environ.get("DRIFT_PICTURES"):
            page.screenshot(path=Path(folder) / "drift.png", full_page=True)
        for _ in range(3):
            look(desk, gateway, rows=100)
        card.get_by_text("as it was").wait_for()
    finally:
        console.close()
