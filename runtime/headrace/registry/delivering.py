"""Reports are told to MLflow here, in the process of `headrace.registry.answering`.

Each is told so that telling it twice does what telling it once does: a process may be killed
between any two steps, and begins again with the first.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from headrace.errors import SourceInvalid
from headrace.registry.facts import Place
from headrace.registry.redacting import without_secrets
from headrace.registry.report import PREFIX, Report, from_json

#: Of experiments, of which each registered model has one.
EXPERIMENT: Final = "headrace/"
#: Tags of a run, by which it is found again.
ROLLOUT: Final = f"{PREFIX}rollout"
VERSION: Final = f"{PREFIX}version"
#: What MLflow shows above a run.
NOTE: Final = "mlflow.note.content"
PICTURE: Final = "verdict.png"
#: After so long no other report is begun: what was told until then is told to who asks.
WORK_S: Final = 60.0
#: Tries of a report with a picture; after them it goes without.
PICTURE_TRIES: Final = 10
#: MLflow says so of what will not be otherwise when it is asked again.
FINAL: Final = frozenset({"INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"})
TAKEN: Final = "RESOURCE_ALREADY_EXISTS"
#: Stores that keep no files: who creates an experiment says where they are.
DATABASES: Final = frozenset({"mssql", "mysql", "postgresql", "sqlite"})


@dataclass
class Outcome:
    """What became of a report."""

    #: Why MLflow does not take it, or a part of it; empty if it took all.
    refused: str = ""
    #: Where its metrics, verdict and picture are; empty if it had none.
    place: str = ""
    #: Alias → what became of it, in words.
    aliases: dict[str, str] = field(default_factory=dict)
    #: The alias that is watched → the version that it names; None if there is no such alias.
    named: dict[str, int | None] = field(default_factory=dict)


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


def is_database(uri: str) -> bool:
    """Return whether MLflow's client writes to a database itself, and asks no server."""
    return uri.partition(":")[0].partition("+")[0] in DATABASES


def is_final(error: Exception, place: Place) -> bool:
    """Return whether MLflow refuses what it was told, and will again.

    What stands before a server and answers in its stead, such as with a page of 404, does not.
    """
    from mlflow.exceptions import MlflowException, RestException

    if isinstance(error, RestException):
        return error.json.get("error_code") in FINAL
    is_mlflows = is_database(place.tracking) and is_database(place.registry)
    return isinstance(error, MlflowException) and is_mlflows and error.error_code in FINAL


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
            self._tell_version(self.report.labels)
            outcome.aliases = self._move_aliases()
            if (watched := self.report.watched) is not None:
                outcome.named = {watched: self._named(watched)}
            if self.report.needs_run:
                run = self._run()
                outcome.place = self._shown(run)
                self._tell_version({f"{PREFIX}run": run.info.run_id})
                self._tell_run(run.info.run_id)
                if self.report.picture:
                    outcome.refused = self._attach(run.info.run_id, self.report.picture)
        except SourceInvalid as error:
            outcome.refused = str(error)
        except Exception as error:
            if not is_final(error, self.report.place):
                raise
            outcome.refused = f"{self.report.label}: {error}"
        return outcome

    def _tell_version(self, labels: Mapping[str, str]) -> None:
        name, version = self.report.model, str(self.report.version)
        known = self.client.get_model_version(name, version).tags
        for tag, value in labels.items():
            # A tag that is set anew is an event to whoever listens.
            if known.get(tag) != value:
                self.client.set_model_version_tag(name, version, tag, value)

    def _move_aliases(self) -> dict[str, str]:
        name, version = self.report.model, self.report.version
        said: dict[str, str] = {}
        for move in self.report.aliases:
            # Looked up for each: MLflow has no way to move one only if it is where it was.
            now = self._named(move.alias)
            moves, words = moved(move.alias, now=now, seen=move.seen, version=version)
            if moves:
                self.client.set_registered_model_alias(name, move.alias, str(version))
            said[move.alias] = words
        return said

    def _named(self, alias: str) -> int | None:
        known = self.client.get_registered_model(self.report.model).aliases.get(alias)
        return None if known is None else int(known)

    def _run(self) -> Any:
        """Return the run of this version in this rollout, which is made if there is none."""
        from mlflow.entities import ViewType

        experiment = self._experiment()
        found = self.client.search_runs(
            [experiment],
            f"tags.`{ROLLOUT}` = '{self.report.rollout}' and "
            f"tags.`{VERSION}` = '{self.report.version}'",
            run_view_type=ViewType.ALL,
            max_results=1,
            # Two of them, where two servers asked at once: all go on with the same.
            order_by=["attributes.start_time ASC"],
        )
        if not found:
            return self.client.create_run(
                experiment,
                start_time=self.report.unix_ms,
                tags={
                    ROLLOUT: self.report.rollout,
                    VERSION: str(self.report.version),
                    f"{PREFIX}model": self.report.model,
                },
                run_name=f"{self.report.label} {self.report.rollout}",
            )
        if found[0].info.lifecycle_stage != "active":
            raise SourceInvalid(
                f"the run {found[0].info.run_id} of {self.report.label} in {self.report.rollout} "
                "was deleted, and gets nothing more: restore it"
            )
        return found[0]

    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = f"{EXPERIMENT}{self.report.model}"
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                made: str = self.client.create_experiment(name, self.files)
            except MlflowException as error:
                if error.error_code != TAKEN:
                    raise
                found = self.client.get_experiment_by_name(name)
            else:
                return made
        if found is None or found.lifecycle_stage != "active":
            raise SourceInvalid(
                f"the experiment {name} was deleted, and gets nothing more: restore it"
            )
        return str(found.experiment_id)

    def _tell_run(self, run_id: str) -> None:
        from mlflow.entities import Metric, RunTag

        report, verdict = self.report, self.report.verdict
        said = {**report.labels, NOTE: f"{verdict.word}: {verdict.sentence}"} if verdict else {}
        self.client.log_batch(
            run_id,
            metrics=[
                Metric(name, value, report.unix_ms, report.step)
                for name, value in report.points.items()
            ],
            tags=[RunTag(name, value) for name, value in said.items()],
            synchronous=True,
        )
        if verdict and verdict.is_last:
            self.client.set_terminated(run_id, "FINISHED", end_time=report.unix_ms)

    def _attach(self, run_id: str, picture: bytes) -> str:
        """Store the picture, or return why not."""
        if self.tries >= PICTURE_TRIES:
            return (
                f"the picture of {self.report.label} is not in run {run_id}: {self.tries} tries "
                "failed, and what comes after it waits"
            )
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / PICTURE
            path.write_bytes(picture)
            self.client.log_artifact(run_id, str(path))
        return ""

    def _shown(self, run: Any) -> str:
        """Return where the run is, for people."""
        tracking = without_secrets(self.report.place.tracking, {}, self.report.place.addresses)
        if is_database(self.report.place.tracking):
            return (
                f"run {run.info.run_id} of the experiment {EXPERIMENT}{self.report.model} in "
                f"{tracking}"
            )
        return (
            f"{tracking.rstrip('/')}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        )
