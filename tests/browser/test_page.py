"""The console's page, as an operator uses it.

`CONSOLE_PICTURE=docs/console.png pytest tests/browser` takes the picture of docs/console.md.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.browser.conftest import OpenUrl, confirm, press
from tests.local.conftest import LocalServer, ready, start, write_model

Open = Callable[[LocalServer], Any]


@pytest.fixture
def open_page(open_url: OpenUrl) -> Open:
    """Opens a server's page."""
    return lambda server: open_url(server.console)


def add_version(models: Path, name: str, number: int) -> None:
    shutil.copytree(models / name / "1", models / name / str(number))


def row(page: Any, label: str, state: str) -> Any:
    """Wait for a version in a state."""
    found = page.locator(f'[data-version="{label}"]', has=page.locator(f".state.{state}"))
    found.wait_for()
    return found


def shares(page: Any) -> list[str]:
    return list(page.locator(".share span").evaluate_all("all => all.map(one => one.style.width)"))


def test_an_operator_loads_divides_undoes_and_unloads(tmp_path: Path, open_page: Open) -> None:
    models = tmp_path / "models"
    write_model(models, "good", 'return {"y": batch["x"]}')
    with ready(models, tmp_path / "state") as server:
        page = open_page(server)
        row(page, "good/1", "ready")
        page.locator('.share span[data-share="100"]').wait_for()

        add_version(models, "good", 2)
        press(page, "Load good/2")
        confirm(page)
        row(page, "good/2", "ready")
        assert shares(page) == ["100%"]

        server.command("rule", "good", "header:x-team=red", "2")
        page.get_by_text("header:x-team=red has version 2", exact=True).wait_for()
        server.command("rule", "good", "header:x-team=red", "--remove")
        page.get_by_text("header:x-team=red has version 2", exact=True).wait_for(state="hidden")

        press(page, "Divide the traffic of good")
        page.get_by_label("Version 1, in percent").fill("75")
        page.get_by_label("Version 2, in percent").fill("20")
        press(page, "Divide")
        page.locator("#refused").wait_for()
        assert "100" in page.locator("#refused").inner_text()
        page.get_by_label("Version 2, in percent").fill("25")
        page.get_by_label("Reason").fill("a quarter at first")
        confirm(page)
        page.locator('.share span[data-share="25"]').wait_for()
        assert shares(page) == ["75%", "25%"]
        if picture := os.environ.get("CONSOLE_PICTURE"):
            for _ in range(400):
                server.post("good", [1, 2, 3, 4])
            page.locator('[data-version="good/2"] .rates:has-text("1 rows a batch")').wait_for()
            page.screenshot(path=picture, full_page=True)

        page.get_by_role("button", name="Undo entry").first.click()
        page.get_by_label("Reason").fill("<b>too slow</b>")
        confirm(page)
        page.locator('.share span[data-share="100"]').wait_for()
        assert shares(page) == ["100%"]
        page.get_by_text("<b>too slow</b>").wait_for()

        press(page, "Unload good/1")
        page.locator("#confirm").click()
        page.locator("#refused").wait_for()
        page.keyboard.press("Escape")
        press(page, "Unload good/2")
        confirm(page)
        row(page, "good/2", "not-loaded")


NONE = "\N{EN DASH}"


def rates(page: Any, label: str) -> list[float]:
    """Return requests/s, errors/s, p50 and p99 in ms, and rows a batch; 0 for what is not known."""
    facts = page.locator(f'[data-version="{label}"] .rates').inner_text().split(" · ")
    found = [re.sub(r"^p\d\d ", "", one).split()[0] for one in facts]
    return [0.0 if one == NONE else float(one) for one in found]


def test_what_a_version_does_is_shown_as_it_does_it(tmp_path: Path, open_page: Open) -> None:
    models = tmp_path / "models"
    write_model(
        models, "good", 'if batch["x"][0, 0] < 0: raise ValueError\nreturn {"y": batch["x"]}'
    )
    with ready(models, tmp_path / "state") as server:
        page = open_page(server)
        page.locator('[data-version="good/1"] .rates').wait_for()
        assert rates(page, "good/1") == [0, 0, 0, 0, 0]
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        for _ in range(50):
            assert server.post("good", [1, 2, 3, 4])[0] == 200
        page.locator(".rates", has_text="1 rows a batch").wait_for()
        answered, failed, p50, p99, _ = rates(page, "good/1")
        assert answered > 0
        assert failed == 0
        assert 0 < p50 <= p99 < 10_000
        server.post("good", [-1, 2, 3, 4])
        page.locator(".rates:not(:has-text(' 0 errors/s'))").wait_for()
        # It is told all this, and asks for the folder of models, rollouts and the log alone.
        mine = re.compile("/api/(versions|rollouts|logs)")
        assert [url for url in asked if not mine.search(url)][6:] == []


def test_a_server_that_is_gone_is_said_and_comes_back(tmp_path: Path, open_page: Open) -> None:
    models = tmp_path / "models"
    write_model(models, "good", 'return {"y": batch["x"]}')
    server = start(models, tmp_path / "state")
    try:
        server.wait_ready()
        page = open_page(server)
        row(page, "good/1", "ready")
        server.process.kill()
        server.process.wait()
        page.get_by_text("The server does not answer").wait_for()
        server = start(models, tmp_path / "state", port=server.port)
        server.wait_ready()
        page.locator("#trouble").wait_for(state="hidden")
        row(page, "good/1", "ready")
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off(tmp_path: Path, open_page: Open, width: int, scheme: str) -> None:
    models = tmp_path / "models"
    write_model(models, "a-model-with-a-name-that-is-as-long-as-any", 'return {"y": batch["x"]}')
    with ready(models, tmp_path / "state") as server:
        page = open_page(server)
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        row(page, "a-model-with-a-name-that-is-as-long-as-any/1", "ready")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        press(page, "Unload a-model-with-a-name-that-is-as-long-as-any/1")
        box = page.locator("#confirmation").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        page.keyboard.press("Escape")
        # By the keyboard alone: the focus is back where it was, and stays there.
        assert page.evaluate("document.activeElement.dataset.action") == "unload"


def test_a_server_without_models_says_so(tmp_path: Path, open_page: Open) -> None:
    models = tmp_path / "models"
    write_model(models, "good", 'return {"y": batch["x"]}')
    with ready(models, tmp_path / "state") as server:
        page = open_page(server)
        row(page, "good/1", "ready")
        # As a server answers whose folder was emptied: none begins with an empty one.
        _, status = server.get(f"{server.console}/api/status")
        empty = {**status, "models": []}
        look = json.dumps({"status": empty, "rates": {}, "lines": 0, "rollouts": []})
        events = f"event: begin\ndata: {{}}\n\nevent: look\ndata: {look}\n\n"
        page.route("**/api/events*", lambda route: route.fulfill(body=events))
        page.route("**/api/status", lambda route: route.fulfill(json=empty))
        page.route("**/api/versions", lambda route: route.fulfill(json={"versions": []}))
        page.reload()
        page.get_by_text("There is no model").wait_for()


def test_a_console_beyond_its_machine_asks_for_its_token_once(
    tmp_path: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    models, state = tmp_path / "models", tmp_path / "state"
    write_model(models, "good", 'return {"y": batch["x"]}')
    with ready(models, state, "--host", "0.0.0.0") as server:
        page = open_page(server)
        for token in ("not it", (state / "console-token").read_text()):
            page.get_by_role("textbox", name="Token").fill(token)
            press(page, "Go on")
        row(page, "good/1", "ready")
        page.reload()
        row(page, "good/1", "ready")
        assert page.locator("#token").is_hidden()
        press(page, "Unload good/1")
        confirm(page)
        row(page, "good/1", "not-loaded")
        assert f"the token in {state / 'console-token'}" in server.output()
        assert "HEADRACE_TOKEN" in server.command("status", code=1)
        token = (state / "console-token").read_text().strip()
        assert token not in server.output()
        monkeypatch.setenv("HEADRACE_TOKEN", token)
        assert "not loaded" in server.command("versions", "good")
