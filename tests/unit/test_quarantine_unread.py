"""A version that was rolled back before anybody had read its files."""

from typing import Any

import pytest
from tests.unit.rolling import ME, Play, plan

from headrace.execution.policy import WHOLE
from headrace.repository.folder import Version
from headrace.rollout.course import End


def test_files_that_nobody_had_read_are_read_once_traffic_has_moved(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends a rollout has all locks, and gigabytes take minutes."""
    desk, shares, digest = play.desk, list[Any](), "old"

    def read(version: Version, threads: int) -> str:
        shares.append(play.shares)
        return digest

    monkeypatch.setattr("headrace.control.quarantines.of_version", read)
    play.start(plan(steps_percent=[25], judge={"errors": {}}))
    assert play.shares == {1: 7500, 2: 2500}
    desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    assert shares == []
    # Until then it is whatever its files are.
    assert desk.controller.quarantine.numbers("m") == {2}
    for _ in range(3):
        desk.rollouts.look()
    assert shares == [{1: WHOLE}]
    assert [one.digest for one in desk.controller.store.quarantined] == ["old"]
    digest = "new"
    desk.begin()
    desk.controller.versions("m")
    assert desk.controller.quarantine.numbers("m") == set()


@pytest.mark.parametrize("meanwhile", ["unreadable", "looked at", "killed"])
def test_files_that_may_be_others_by_then_are_not_taken_for_those_that_were_rolled_back(
    play: Play, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = play.desk
    if meanwhile != "unreadable":
        monkeypatch.setattr("headrace.control.quarantines.of_version", lambda *_: "mended")
    play.start()
    desk.rollouts.stop(1, End.ROLLED_BACK, **ME)
    if meanwhile == "killed":
        desk.begin()
    if meanwhile == "looked at":
        desk.controller.versions("m")
    desk.rollouts.look()
    # Whatever it is by now, and once the old files are back.
    for digest in ("mended", "", "old"):
        desk.digests["m/2"] = digest
        desk.controller.versions("m")
        assert [one.digest for one in desk.controller.store.quarantined] == [""]
        assert desk.controller.quarantine.numbers("m") == {2}
