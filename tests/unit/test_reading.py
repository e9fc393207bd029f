"""What the console shows of versions, whatever is the matter with where they come from."""

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.config.schema import ModelConfig
from headrace.models.lifecycle import State


def test_what_is_loaded_is_told_where_its_folder_cannot_be_read(desk: Desk) -> None:
    desk.stand(m={1: State.READY})
    del desk.models["m"]
    told = ask(desk.sources, "GET", "/api/versions?model=m").body
    assert [one["state"] for one in told["versions"]] == ["ready"]
    assert told["unread"] == "no model 'm'"


def test_who_looks_has_nothing_fetched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sourced = ModelConfig.model_validate({"source": "models:/m@champion"})
    monkeypatch.setattr(desk, "config", lambda number: sourced)
    desk.begin()
    del desk.models["m"]
    told = ask(desk.sources, "GET", "/api/versions?model=m").body
    assert (len(told["versions"]), told["unread"]) == (1, ""), "its source is not asked"
