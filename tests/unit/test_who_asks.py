"""Who did what the journal has: a person is never taken for the server itself."""

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.cli import console_client
from headrace.control.starting import ITSELF, is_itself
from headrace.models.lifecycle import State


@pytest.mark.parametrize(
    ("who", "itself"),
    [
        (ITSELF, True),
        ("rollout 3", True),
        ("rollout 3 of ours", False),
        ("rollout", False),
        ("headrace@here", False),
        ("console page", False),
        ("", False),
    ],
)
def test_what_followed_by_itself_is_told_by_its_name(who: str, itself: bool) -> None:
    assert is_itself(who) is itself


@pytest.mark.parametrize("who", [ITSELF, "rollout 3"])
def test_nobody_may_call_himself_what_the_server_calls_itself(desk: Desk, who: str) -> None:
    desk.stand(m={1: State.READY})
    answer = ask(desk.sources, "POST", "/api/unload?model=m&version=1", client=who)
    assert answer.status == 400
    assert answer.body["error"].startswith(f"Headrace-Client is {who!r}: the journal has what")
    assert desk.carried == ["m/1"]
    assert ask(desk.sources, "POST", "/api/unload?model=m&version=1", client="ann").status == 200


@pytest.mark.parametrize("user", ["", "zoë"])
def test_who_has_no_name_that_can_be_sent_is_not_the_server(
    user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getuser() -> str:
        if not user:
            raise KeyError("uid not found: 31337")
        return user

    monkeypatch.setattr(console_client, "getuser", getuser)
    assert console_client.whoami() == "somebody"
    assert not is_itself(console_client.whoami())
