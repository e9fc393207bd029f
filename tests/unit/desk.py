"""A controller with a database of its own, before an engine that does nothing by itself."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.config.schema import ModelConfig
from headrace.console.board import Status
from headrace.console.logbook import Logbook
from headrace.console.sources import Sources
from headrace.control.announcing import of_rollout
from headrace.control.controller import Controller
from headrace.control.course_book import Clocks
from headrace.control.drift import Drift
from headrace.control.engine import Assignment, Divisions
from headrace.control.finding import Finding
from headrace.control.reports import Registered
from headrace.control.rollouts import Rollouts
from headrace.control.store import Store, in_folder
from headrace.control.telling import Telling
from headrace.errors import RepositoryInvalid, RequirementsInvalid, SourceAway, SourceInvalid
from headrace.hooks.event import Happened
from headrace.models.lifecycle import Standing, State
from headrace.registry.report import HERE, Kind, Report
from headrace.registry.standing import Standing as ReportsStand
from headrace.repository.folder import Version
from headrace.rollout.course import Course


class NoBoard:
    def status(self) -> Status:
        return Status("local", {}, [])

    def requests(self) -> list[Mapping[str, Any]]:
        return []


class NoOperations:
    def apply(self, model: str) -> list[Any]:
        return []

    def compare(self, model: str) -> list[Any]:
        return []


class HearsForHooks:
    """An announcer that delivers nothing."""

    def __init__(self) -> None:
        self.courses: list[tuple[Course | None, Course, Sequence[str]]] = []
        self.happened: list[Happened] = []

    def open(self) -> None: ...

    def heard(self, before: Course | None, course: Course, places: Sequence[str]) -> None:
        self.courses.append((before, course, places))

    def tell(self, happened: Happened) -> None:
        self.happened.append(happened)

    def told(self) -> list[Happened]:
        """Return what hooks were told of it; version 2 was loaded from files."""
        found = [of_rollout(one, after, {2: "two"}, where) for one, after, where in self.courses]
        return [one for one in found if one is not None]

    def status(self) -> list[Any]:
        return []

    def close(self) -> None: ...


class KeepsReports:
    """A reporter that delivers nothing."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        #: Rollout → how somebody moved an alias.
        self.moved: dict[str, str] = {}

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def status(self) -> list[ReportsStand]:
        """Say where what is known of candidates is."""
        places = {
            f"{one.version} in {one.rollout}": f"models:/m/{one.version}"
            for one in self.reports
            if one.kind is Kind.VERDICT
        }
        known = ReportsStand("m", "", 0, 0, "", 0, 0, "", places, {}, self.moved, {})
        return [known] if places or self.moved else []

    def close(self) -> None: ...


class Desk:
    """An operator's: what is in the repository, and how versions stand, a test says."""

    def __init__(self, folder: Path, logbook: Logbook, **models: Sequence[int]) -> None:
        self.folder = folder
        self.logbook = logbook
        #: Model → the versions in its folder.
        self.models: dict[str, Sequence[int]] = dict(models)
        #: The folder of all models; one that is not there if it is none.
        self.home: Path | None = None
        #: Numbers of versions that swap by themselves; and what others have under `versions`.
        self.swaps: set[int] = set()
        self.on_new: dict[int, dict[str, str]] = {}
        #: Number → what its model.yaml has under `drift`.
        self.watched: dict[int, dict[str, Any]] = {}
        #: Numbers that a registry has beside those in folders; without any there is none.
        self.registry: set[int] = set()
        #: Of the files that versions were loaded from, by label.
        self.digests: dict[str, str] = {}
        #: Labels of those whose packages cannot be installed.
        self.unfit: set[str] = set()
        #: Model → why its source cannot be had.
        self.missing: dict[str, str] = {}
        #: Models whose versions are a source's.
        self.sourced: set[str] = set()
        #: Models whose alias is gone; numbers of theirs can be had.
        self.aliasless: set[str] = set()
        self.stood: dict[str, Standing] = {}
        self.assignments: Sequence[Assignment] = ()
        self.divisions: Divisions = {}
        self.store: Store | None = None
        #: What gateways have counted, how often hosts have ended, what rollouts said, and when.
        self.gateways: list[str] = []
        self.crashes: dict[str, int] = {}
        self.profiles: list[str] = []
        self.said: list[str] = []
        self.now = 1000.0
        #: Which registry has the versions, and what it was told.
        self.place_of_versions = HERE
        self.registry_hears = KeepsReports()
        #: What hooks are told of.
        self.hooks_hear = HearsForHooks()
        #: What was to be held, each time that anything was let go.
        self.used: list[Set[Path]] = []
        self.begin()

    def close(self) -> None:
        if self.store is not None:
            self.store.close()

    def begin(self) -> None:
        """Begin anew on the same database, as after the end of everything."""
        self.stood = {}
        if self.store is not None:
            self.store.close()
        self.store = Store(in_folder(self.folder), clock=lambda: 1.0)
        finding = Finding(self.find, self.older, self.equipped, self.used.append)
        self.controller = Controller(self.store, finding)
        self.controller.quarantine.loaded = lambda label: self.digests.get(label, "")
        there = [model for model in self.models if model not in self.missing]
        found = [one for model in there for one in self.find(model)]
        beginning = self.controller.begin(found, self.missing)
        self.assignments, self.divisions = beginning.assignments, beginning.divisions
        self.controller.drive(self)
        self.rollouts = Rollouts(
            self.controller,
            lambda: self.gateways_(),
            lambda: self.crashes,
            Telling(self.registry_hears, self.registered, self.said.append, self.hooks_hear),
            Clocks(lambda: self.now, lambda: self.now),
        )

        self.drift = Drift(
            self.controller,
            lambda _: self.profiles,
            lambda label: self.digests.get(label, "files"),
            self.rollouts.telling,
            Clocks(lambda: self.now, lambda: self.now),
        )

    def gateways_(self) -> list[str]:
        return self.gateways

    @property
    def sources(self) -> Sources:
        return Sources(
            NoBoard(), self.logbook, NoOperations(), self.controller, self.rollouts, self.drift
        )

    @property
    def shares(self) -> dict[str, Any]:
        """What the engine is to divide, of each model."""
        return {model: one.shares for model, one in self.divisions.items()}

    @property
    def carried(self) -> list[str]:
        """What the engine is to carry, with how often it was asked for anew where it was."""
        return [
            f"{one.version.label}{f' again {one.asked}' if one.asked else ''}"
            for one in self.assignments
        ]

    def want(self, assignments: Sequence[Assignment], divisions: Divisions) -> None:
        self.assignments, self.divisions = assignments, divisions

    def catch_up(self, limit_s: float) -> bool:
        return True

    def standings(self) -> Mapping[str, Standing]:
        return self.stood

    def registered(self, model: str, version: int) -> Registered | None:
        return Registered(self.place_of_versions, model, "champion")

    def equipped(self, version: Version) -> Version:
        """None of them asks for packages but those that cannot have them."""
        if version.label in self.unfit:
            raise RequirementsInvalid(f"no packages for {version.label}")
        return version

    def find(self, model: str, numbers: Set[int] = frozenset()) -> list[Version]:
        if model and model not in self.models:
            raise RepositoryInvalid(f"no model {model!r}")
        if model in self.missing:
            raise SourceAway(self.missing[model])
        if model in self.aliasless and not numbers:
            raise SourceInvalid("no such alias")
        found = [
            Version(name, number, self.place(name) / str(number), "python", self.of(name, number))
            for name in ([model] if model else self.models)
            for number in self.models[name]
        ]
        return found + self.older(found[0], numbers - {one.number for one in found})

    def place(self, model: str) -> Path:
        return self.home or Path(f"/m/{model}")

    def older(self, found: Version, numbers: Set[int]) -> list[Version]:
        """Return what a registry still has, as `find_older`."""
        if not self.registry:
            return []
        if away := numbers - self.registry:
            raise SourceInvalid(f"no version {min(away)}")
        return [replace(found, number=one) for one in sorted(numbers)]

    def of(self, model: str, number: int) -> ModelConfig:
        source = ModelConfig.model_validate({"source": f"models:/{model}@champion"}).source
        is_sourced = model in self.sourced
        return self.config(number).model_copy(update={"source": source} if is_sourced else {})

    def config(self, number: int) -> ModelConfig:
        on_new = "swap" if number in self.swaps else "hold"
        given = {
            "versions": self.on_new.get(number, {"on_new": on_new}),
            "drift": self.watched.get(number),
        }
        return ModelConfig.model_validate(given)

    def stand(self, **models: Mapping[int, State]) -> None:
        """Have versions stand so, and the controller hear of it."""
        self.stood |= {
            f"{model}/{number}": Standing(state, f"so it is with {number}")
            for model, states in models.items()
            for number, state in states.items()
        }
        self.controller.stood(self.stood)
