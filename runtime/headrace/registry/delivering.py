"""Reports are told to MLflow here, in the process of `headrace.registry.answering`.

Each is told so that telling it twice does what telling it once does: a process may be killed
between any two steps, and begins again with the first.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from headrace.errors import SourceInvalid
from headrace.registry.facts import Place
from headrace.registry.refusing import denial, is_database, is_denied, is_final
from headrace.registry.report import PREFIX, Part, Report, from_json
from headrace.registry.runs import Run

#: After so long no other report is begun: what was told until then is told to who asks.
WORK_S: Final = 60.0
#: Tries of a report with a picture; after them it goes without.
PICTURE_TRIES: Final = 10


@dataclass
class Outcome:
    """What became of a report."""

    #: Why MLflow does not take it, or a part of it; empty if it took all.
    refused: str = ""
    #: Where its metrics, verdict and picture are; empty if it had none.
    place: str = ""
    #: And the id of that run.
    run: str = ""
    #: Alias → what became of it, in words.
    aliases: dict[str, str] = field(default_factory=dict)
    #: The alias that is watched → the version that it names; None if there is no such alias.
    named: dict[str, int | None] = field(default_factory=dict)
    #: Part → why this account may not tell it, in words; the others were told.
    denied: dict[str, str] = field(default_factory=dict)
    #: Parts of which something was told.
    went: list[str] = field(default_factory=list)


def deliver(
    place: Place,
    told: Sequence[Mapping[str, Any]],
    *,
    tries: int,
    files: str,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict[str, Any]]:
    """Return what became of the first reports of ``told``: of one, or as many as there was time.

    Args:
        place: where MLflow is asked.
        told: as `headrace.registry.report.as_json` writes them.
        tries: how often the first one was tried before.
        files: URI of a folder for pictures, where MLflow is a database.
        clock: seconds.
    """
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=place.tracking, registry_uri=place.registry)
    kept = files if is_database(place.tracking) else None
    until = clock() + WORK_S
    done: list[dict[str, Any]] = []
    for one in told:
        if done and clock() > until:
            break
        delivery = Delivery(client, from_json(one), kept, 0 if done else tries)
        try:
            done.append(asdict(delivery.told()))
        except Exception:
            if not done:
                raise
            # It is the first one of the next question, and says then what is wrong.
            break
    return done


def moved(alias: str, *, now: int | None, seen: int | None, version: int) -> tuple[bool, str]:
    """Return whether an alias is to be moved to ``version``, and what becomes of it in words.

    Args:
        alias: its name.
        now: the version that it names; None if there is none.
        seen: the version that it named when this was decided.
        version: the one that it is to name.
    """
    if now == version:
        return False, f"{alias} names version {version}"
    if now == seen:
        before = "nothing" if seen is None else f"version {seen}"
        return True, f"{alias} was moved from {before} to version {version}"
    names, named = (f"version {one}" if one is not None else "nothing" for one in (now, seen))
    return False, (
        f"{alias} names {names} and stays so: it named {named} when version {version} was to have "
        "it, and somebody moved it since"
    )


@dataclass(frozen=True)
class Delivery:
    """One report on its way, by a client of MLflow's."""

    client: Any
    report: Report
    #: Where an experiment that is made keeps its files; None leaves it to the server.
    files: str | None
    #: How often it was tried before.
    tries: int

    def told(self) -> Outcome:
        """Tell it, and return what became of it.

        Raises:
            Exception: of MLflow's and of stores' libraries, if it is to be tried again.
        """
        outcome = Outcome()
        try:
            # What a store of files may hold up comes last.
            self._tell(Part.TAGS, self._label, outcome)
            self._tell(Part.ALIASES, self._move_aliases, outcome)
            self._tell(Part.WATCH, self._look, outcome)
            if self.report.needs_run:
                self._tell(Part.RUNS, self._open_run, outcome)
                if outcome.run:
                    self._tell(Part.TAGS, self._name_run, outcome)
                    self._tell(Part.RUNS, self._fill_run, outcome)
        except SourceInvalid as error:
            outcome.refused = str(error)
        except Exception as error:
            if not is_final(error, self.report.place):
                raise
            outcome.refused = f"{self.report.label}: {error}"
        return outcome

    @property
    def _run(self) -> Run:
        return Run(self.client, self.report, self.files)

    def _tell(self, part: Part, step: Callable[[Outcome], None], outcome: Outcome) -> None:
        """Take a step, if that part is to be told, and note it where this account may not."""
        if part not in self.report.parts or part.value in outcome.denied:
            return
        try:
            step(outcome)
        except Exception as error:
            # What stands before a server may deny everything for a while.
            if not (is_denied(error) and self._is_let_in(part)):
                raise
            outcome.denied[part.value] = denial(part, error)

    def _is_let_in(self, part: Part) -> bool:
        """Ask what every account may: an error says that it is not this part that is denied."""
        if part is Part.RUNS:
            self.client.search_experiments(max_results=1)
        else:
            self.client.search_registered_models(max_results=1)
        return True

    def _label(self, outcome: Outcome) -> None:
        self._tell_version(self.report.labels, outcome, self.report.untagged)

    def _tell_version(
        self, labels: Mapping[str, str], outcome: Outcome, gone: Sequence[str] = ()
    ) -> None:
        name, version = self.report.model, str(self.report.version)
        known = self.client.get_model_version(name, version).tags
        for tag, value in labels.items():
            # A tag that is set anew is an event to whoever listens.
            if known.get(tag) != value:
                self.client.set_model_version_tag(name, version, tag, value)
                outcome.went.append(Part.TAGS.value)
        for tag in (PREFIX + one for one in gone):
            if tag in known:
                self.client.delete_model_version_tag(name, version, tag)
                outcome.went.append(Part.TAGS.value)

    def _move_aliases(self, outcome: Outcome) -> None:
        name, version = self.report.model, self.report.version
        for move in self.report.aliases:
            # Looked up for each: MLflow has no way to move one only if it is where it was.
            now = self._named(move.alias)
            moves, words = moved(move.alias, now=now, seen=move.seen, version=version)
            if moves:
                self.client.set_registered_model_alias(name, move.alias, str(version))
                outcome.went.append(Part.ALIASES.value)
            outcome.aliases[move.alias] = words

    def _look(self, outcome: Outcome) -> None:
        if (watched := self.report.watched) is not None:
            outcome.named = {watched: self._named(watched)}
            outcome.went.append(Part.WATCH.value)

    def _named(self, alias: str) -> int | None:
        known = self.client.get_registered_model(self.report.model).aliases.get(alias)
        return None if known is None else int(known)

    def _open_run(self, outcome: Outcome) -> None:
        outcome.run, outcome.place = self._run.opened()

    def _name_run(self, outcome: Outcome) -> None:
        self._tell_version({f"{PREFIX}run": outcome.run}, outcome)

    def _fill_run(self, outcome: Outcome) -> None:
        self._run.tell(outcome.run)
        outcome.went.append(Part.RUNS.value)
        outcome.refused = self._attach(outcome.run)

    def _attach(self, run_id: str) -> str:
        """Store the picture, if there is one, or return why not."""
        what = f"the picture of {self.report.label} is not in run {run_id}"
        if not self.report.picture:
            return ""
        if self.tries >= PICTURE_TRIES:
            return f"{what}: {self.tries} tries failed, and what comes after it waits"
        try:
            self._run.attach(run_id, self.report.picture)
        except Exception as error:
            if not (is_denied(error) and self._is_let_in(Part.RUNS)):
                raise
            return f"{what}: its store denies it ({error}); let this account write there"
        return ""
