"""Files of versions that are used no more, and versions that a start has lost."""

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import pytest
from tests.unit.asking import ask
from tests.unit.desk import Desk

from headrace.console.arrivals import tell_lost
from headrace.control import orders
from headrace.control.engine import Assignment, Divisions
from headrace.control.using import Folders, in_use
from headrace.errors import RepositoryInvalid, RequirementsInvalid, SourceInvalid
from headrace.models.lifecycle import Standing, State
from headrace.registry.cache import Cache, let_go_of_others
from headrace.repository.folder import Version

READY, DRAINING = State.READY, State.DRAINING
ME: Any = {"who": "me@here", "why": ""}
OLD, NEW = Path("/old"), Path("/new")


def version(folder: Path) -> Version:
    from headrace.config.schema import ModelConfig

    return Version("m", 1, folder, "python", ModelConfig())


@pytest.mark.parametrize(
    ("before", "wanted", "carried", "after"),
    [
        # Before an engine has begun, while it serves, while it ends, and then.
        ({}, {"m/1": OLD}, [], {"m/1": {OLD}}),
        ({"m/1": {OLD}}, {"m/1": OLD}, ["m/1"], {"m/1": {OLD}}),
        ({"m/1": {OLD}}, {}, ["m/1"], {"m/1": {OLD}}),
        ({"m/1": {OLD}}, {}, [], {}),
        # Asked for again with other files, while the last process of the old ones ends.
        ({"m/1": {OLD}}, {"m/1": NEW}, ["m/1"], {"m/1": {OLD, NEW}}),
        ({"m/1": {OLD, NEW}}, {"m/1": NEW}, [], {"m/1": {NEW}}),
    ],
)
def test_files_are_used_until_the_last_process_of_their_version_has_ended(
    before: Mapping[str, Set[Path]],
    wanted: Mapping[str, Path],
    carried: list[str],
    after: Mapping[str, Set[Path]],
) -> None:
    had: Folders = {label: frozenset(folders) for label, folders in before.items()}
    found = in_use(had, {label: version(folder) for label, folder in wanted.items()}, carried)
    assert found == after


def folders(desk: Desk) -> list[str]:
    return sorted(str(one) for one in desk.used[-1])


def test_a_version_holds_its_files_from_its_load_to_its_last_process(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [1, 2]
    desk.controller.load("m", 2, swap=True, **ME)
    assert folders(desk) == ["/m/m/1", "/m/m/2"]
    desk.stand(m={2: READY, 1: DRAINING})
    assert desk.carried == ["m/2"]
    assert folders(desk) == ["/m/m/1", "/m/m/2"]
    del desk.stood["m/1"]
    desk.stand(m={2: READY})
    assert folders(desk) == ["/m/m/2"]


def test_what_is_looked_for_stays_until_it_is_known_whether_it_is_wanted(desk: Desk) -> None:
    desk.stand(m={1: READY})
    looked: list[int] = []

    def find(model: str, numbers: Set[int]) -> list[Version]:
        # As another thread tells meanwhile.
        before = len(desk.used)
        desk.stand(m={1: READY})
        looked.append(len(desk.used) - before)
        raise RepositoryInvalid("no")

    desk.controller._finding._find = find
    with pytest.raises(RepositoryInvalid):
        desk.controller.load("m", 2, swap=False, **ME)
    assert looked == [0]
    assert folders(desk) == ["/m/m/1"]


class Swapping:
    """An engine whose versions serve as soon as they are wanted, and end a step later."""

    def __init__(self) -> None:
        self.stood: dict[str, Standing] = {}
        self.wanted: list[str] = []

    def want(self, assignments: list[Assignment], divisions: Divisions) -> None:
        self.wanted = [one.version.label for one in assignments]

    def catch_up(self, limit_s: float) -> bool:
        return True

    def standings(self) -> Mapping[str, Standing]:
        return self.stood

    def step(self) -> dict[str, Standing]:
        leaving = {one: Standing(DRAINING, "") for one in self.stood if one not in self.wanted}
        self.stood = {one: Standing(READY, "") for one in self.wanted} | leaving
        return self.stood

    def end(self) -> dict[str, Standing]:
        self.stood = {one: Standing(READY, "") for one in self.wanted}
        return self.stood


def test_ten_swaps_fit_a_bound_for_two_versions(desk: Desk, tmp_path: Path) -> None:
    cache, size = Cache(tmp_path / "models", 25), 10

    def fill(target: Path) -> None:
        (target / "w").write_bytes(b"x" * size)

    def find(model: str, numbers: Set[int]) -> list[Version]:
        number = desk.models["m"][-1]
        place = cache.take("m", f"{number}-d", fill, lambda text: None)
        return [Version("m", number, place, "python", desk.config(number))]

    finding, engine = desk.controller._finding, Swapping()
    finding._find = find
    finding.let_go_of_others = let_go_of_others
    desk.controller.using._let_go_of_others = let_go_of_others
    desk.controller.drive(engine)  # type: ignore[arg-type]
    desk.controller.obey(orders.unload("m", None), **ME)
    try:
        for number in range(2, 13):
            desk.models["m"] = [number]
            desk.controller.load("m", None, swap=True, **ME)
            desk.controller.stood(engine.step())
            # Both are used now, and a third has no room.
            if number > 2:
                desk.models["m"] = [99]
                with pytest.raises(SourceInvalid, match="versions that are in use have 20"):
                    desk.controller.load("m", None, swap=True, **ME)
            desk.controller.stood(engine.step())
            desk.controller.stood(engine.end())
            assert len(list((tmp_path / "models" / "m").glob("[0-9]*"))) <= 2
    finally:
        let_go_of_others(set())


def test_what_a_start_has_lost_is_said_with_its_traffic_and_why(desk: Desk) -> None:
    desk.models["m"] = [3]
    desk.registry = {1, 2}
    desk.stand(m={1: READY})
    for number in (2, 3):
        desk.controller.load("m", number, swap=False, **ME)
        desk.stand(m={number: READY})
    desk.controller.obey(orders.split("m", {1: 7500, 3: 2500}), **ME)
    desk.registry = {2}
    desk.begin()
    assert desk.carried == ["m/2", "m/3"]
    said = "m/1 was wanted and is not served: no version 1; others have its 75 % of the traffic"
    assert [str(one) for one in desk.controller.lost()] == [said]
    tell_lost(desk.controller, desk.logbook)
    assert said in desk.logbook.recent("", 10)[0][-1]["text"]
    body: Any = ask(desk.sources, "GET", "/api/status").body
    reason = {"model": "m", "version": 1, "share_percent": 75, "reason": "no version 1"}
    assert body["lost"] == [reason]
    # It is there again, and somebody loads it: nothing is lost any more.
    desk.registry = {1, 2}
    desk.controller.load("m", 1, swap=False, **ME)
    assert desk.controller.lost() == []


def test_a_folder_that_is_gone_is_lost_too(desk: Desk) -> None:
    desk.stand(m={1: READY})
    desk.models["m"] = [2]
    desk.begin()
    (one,) = desk.controller.lost()
    assert str(one).startswith("m/1 was wanted and is not served: its folder is gone; others have")


def test_a_version_whose_packages_cannot_be_installed_keeps_no_other_from_being_served(
    desk: Desk,
) -> None:
    desk.stand(m={1: READY})
    desk.models = {"m": [1, 2], "n": [1]}
    desk.unfit = {"m/2", "n/1"}
    desk.begin()
    assert desk.carried == ["m/1"]
    assert [str(one) for one in desk.controller.lost()] == [
        "m/2 was wanted and is not served: no packages for m/2",
        "n/1 was wanted and is not served: no packages for n/1",
    ]
    # The next start tries again.
    desk.unfit = set()
    desk.begin()
    assert desk.carried == ["m/1", "m/2", "n/1"]
    assert desk.controller.lost() == []


def test_what_had_all_traffic_and_has_no_packages_now_leaves_it_to_others(desk: Desk) -> None:
    desk.models["m"] = [1, 2]
    desk.begin()
    desk.stand(m={1: READY, 2: READY})
    desk.unfit = {"m/2"}
    desk.begin()
    assert (desk.carried, desk.shares) == (["m/1"], {"m": None})
    (one,) = desk.controller.lost()
    assert str(one).endswith("no packages for m/2; others have its 100 % of the traffic")


def test_where_no_version_has_its_packages_there_is_nothing_to_begin_with(desk: Desk) -> None:
    desk.unfit = {"m/1"}
    with pytest.raises(RequirementsInvalid, match="no packages for m/1"):
        desk.begin()
