"""A version that was rolled back, as the database and its registry have it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.desk import Desk
from tests.unit.rolling import ME, READY, Play

from headrace.control import orders
from headrace.control.store import QUARANTINE, Entry, Store, in_folder
from headrace.errors import Quarantined, StateInvalid
from headrace.execution.policy import WHOLE
from headrace.models.lifecycle import State
from headrace.registry.seen import Seen, recall, remember
from headrace.registry.tagged import Tagged, tagged
from headrace.repository.folder import Version
from headrace.rollout.course import End


@pytest.fixture
def back(play: Play) -> Play:
    """Version 2 was rolled back."""
    play.start()
    play.desk.rollouts.stop(1, End.ROLLED_BACK, who="ann", why="it is slow")
    return play


class Registered(Desk):
    """Whose versions a registry has, with tags."""

    tags: dict[str, str]

    def find(self, model: str, numbers: Any = frozenset()) -> list[Version]:
        said = tagged(getattr(self, "tags", {}))
        return [
            replace(one, tagged=said) if one.number == 2 else one
            for one in super().find(model, numbers)
        ]


@pytest.fixture
def registered(tmp_path: Path, desk: Desk) -> Iterator[Play]:
    """A version of a registry that was rolled back, and of which that knows nothing yet."""
    folder = tmp_path / "registered"
    folder.mkdir()
    made = Registered(folder, desk.logbook, m=[1, 2])
    play = Play(made)
    play.start()
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    yield play
    made.close()


def tag(play: Play, **tags: str) -> None:
    assert isinstance(play.desk, Registered)
    play.desk.tags = {f"headrace.{name}": value for name, value in tags.items()}


def rollout(play: Play) -> str:
    (name,) = {
        one.tags["rolled_back"]
        for one in play.desk.registry_hears.reports
        if "rolled_back" in one.tags
    }
    return name


def test_who_tags_it_again_releases_it(registered: Play) -> None:
    name = rollout(registered)
    split = orders.split("m", {1: 9000, 2: 1000})
    for tags in (
        {},
        {"state": "candidate", "rollout": name},
        {"state": "rolled_back", "rollout": name, "rolled_back": name},
    ):
        tag(registered, **tags)
        with pytest.raises(Quarantined, match="another value of its tag"):
            registered.desk.controller.obey(split, **ME)
    tag(registered, state="candidate", rollout=name, rolled_back=name)
    registered.desk.controller.obey(split, **ME)
    assert registered.shares == {1: 9000, 2: 1000}
    entries = registered.desk.controller.store.journal(2)
    assert [(one.who, one.what, one.why) for one in entries[1:]] == [
        ("headrace", "rollout release 2", "its registry has it as candidate")
    ]


def test_a_new_state_folder_believes_the_registry(registered: Play, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    registered.desk.folder = folder
    tag(registered, state="rolled_back", rollout="7-1", reason="worse than allowed")
    registered.desk.swaps = {2}
    registered.desk.begin()
    registered.desk.stand(m=READY)
    assert registered.shares == {1: WHOLE}
    with pytest.raises(Quarantined, match="rollout 7 rolled it back: worse than allowed"):
        registered.start()
    # Also where the registry does not hear of it, or later.
    registered.release()
    registered.start()


def test_one_that_never_had_a_rollout_here_has_it_once_it_is_released(
    registered: Play, tmp_path: Path
) -> None:
    registered.desk.folder = tmp_path
    tag(registered, state="rolled_back")
    registered.desk.on_new = {2: {"on_new": "rollout"}}
    registered.desk.begin()
    registered.desk.stand(m=READY)
    registered.desk.said.clear()
    registered.desk.rollouts.look()
    assert (registered.desk.rollouts.all(), registered.desk.said) == ([], [])
    tag(registered, state="candidate")
    registered.desk.controller.versions("m")
    registered.desk.rollouts.look()
    assert [one.record.candidate for one in registered.desk.rollouts.all()] == [2]


def test_what_a_registry_said_last_counts_while_it_is_away(tmp_path: Path) -> None:
    for said in (None, Tagged("rolled_back", "3-100", "too slow")):
        one = Seen(2, "m", "2-abc", "mlflow", said)
        remember(tmp_path, "models:/m@champion", one)
        assert recall(tmp_path, "models:/m@champion") == one
    # A release before kept nothing of it.
    (file,) = (tmp_path / ".seen").glob("*.json")
    kept = json.loads(file.read_text())
    del kept["tagged"]
    file.write_text(json.dumps(kept))
    assert recall(tmp_path, "models:/m@champion") == Seen(2, "m", "2-abc", "mlflow")


def test_it_is_held_by_the_files_that_were_loaded(back: Play) -> None:
    """Also where nobody has looked at them since they were replaced."""
    desk = back.desk
    desk.digests["m/2"] = "old"
    desk.controller.versions("m")
    back.release()
    desk.digests["m/2"] = "new"
    back.start()
    desk.rollouts.stop(2, End.ROLLED_BACK, **ME)
    with pytest.raises(Quarantined, match="rollout 2"):
        desk.controller.obey(orders.split("m", {2: WHOLE}), **ME)
    # Once others are loaded they are not.
    desk.digests["m/2"] = "newer"
    desk.controller.obey(orders.split("m", {2: WHOLE}), **ME)


def test_who_is_tagged_again_takes_what_nobody_else_has(registered: Play) -> None:
    name = rollout(registered)
    tag(registered, state="rolled_back", rollout=name, rolled_back=name)
    desk = registered.desk
    desk.models["m"] = [2]
    desk.begin()
    desk.stand(m={2: State.READY})
    assert (registered.shares, set(desk.divisions["m"].barred)) == (None, {2})
    newest = desk.controller.events.newest
    tag(registered, state="candidate", rollout=name, rolled_back=name)
    desk.controller.versions("m")
    assert (registered.shares, desk.divisions["m"].barred) == ({2: WHOLE}, frozenset())
    told = desk.controller.events.after(newest)
    assert told is not None
    entries = [one.happened for one in told if isinstance(one.happened, Entry)]
    assert [one.what.partition(":")[0] for one in entries] == ["rollout release 2", "split 2=100"]


def test_who_is_tagged_again_is_no_more_barred_while_another_is_loaded(registered: Play) -> None:
    name, desk = rollout(registered), registered.desk
    tag(registered, state="rolled_back", rollout=name, rolled_back=name)
    desk.models["m"] = [2, 3]
    desk.begin()
    desk.stand(m={2: State.READY, 3: State.LOADING})
    assert (registered.shares, set(desk.divisions["m"].barred)) == (None, {2})
    tag(registered, state="candidate", rollout=name, rolled_back=name)
    desk.controller.versions("m")
    assert desk.divisions["m"].barred == frozenset()


def test_what_cannot_follow_from_a_tag_keeps_nobody_from_looking(
    registered: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, desk = rollout(registered), registered.desk
    desk.models["m"] = [2]
    desk.begin()
    desk.stand(m={2: State.READY})

    def full(*_: Any) -> None:
        raise StateInvalid("the disk is full")

    tag(registered, state="candidate", rollout=name, rolled_back=name)
    monkeypatch.setattr(desk.controller.ledger, "put", full)
    assert [one.version.number for one in desk.controller.versions("m")] == [2]
    assert desk.controller.quarantine.numbers("m") == set()
    monkeypatch.undo()
    desk.stand(m={2: State.READY})
    assert registered.shares == {2: WHOLE}


def test_who_follows_is_woken_by_a_tag_alone(registered: Play) -> None:
    """Of what another server has rolled back nothing is kept here that could be journalled."""
    desk = registered.desk
    registered.release()
    tag(registered, state="rolled_back", rollout="9-1", rolled_back="9-1")
    desk.controller.versions("m")
    assert desk.controller.quarantine.numbers("m") == {2}
    woken: list[int] = []
    with desk.controller.events.followed(lambda: woken.append(desk.controller.events.newest)):
        tag(registered, state="candidate", rollout="9-1", rolled_back="9-1")
        desk.controller.versions("m")
    assert woken == [desk.controller.events.newest]


def test_a_rollout_that_ends_as_it_is_killed_is_quarantined_or_has_not_ended(
    play: Play, tmp_path: Path
) -> None:
    """Both are in one transaction: whoever opens the database next has both, or none."""
    play.start()
    store = play.desk.controller.store
    with pytest.MonkeyPatch.context() as patch:

        def fails(*given: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr("headrace.control.quarantine_table.insert", fails)
        with pytest.raises(KeyboardInterrupt):
            play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    store.close()
    again = Store(in_folder(play.desk.folder))
    (course,), _ = again.rollouts(play.desk.said.append)
    assert (course.end, again.quarantined) == (None, ())
    again.close()


def test_an_end_that_is_written_down_is_one_whatever_cannot_be_read_after_it(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play.start()

    def fails() -> Any:
        raise StateInvalid("the disk is full")

    monkeypatch.setattr(play.desk.controller.store, "_reading", fails)
    play.desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    (one,) = play.desk.controller.store.quarantined
    assert (one.version, play.desk.rollouts.one(1).end) == (2, End.ROLLED_BACK)


def test_a_database_of_a_release_before_has_nobody_in_quarantine(back: Play) -> None:
    store = back.desk.controller.store
    with store._deciding() as connection:
        QUARANTINE.drop(connection)
    back.desk.begin()
    back.desk.stand(m=READY)
    assert back.start().number == 2
