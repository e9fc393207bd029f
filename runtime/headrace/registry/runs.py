"""The run of a version in a rollout, with its metrics, its verdict and its picture, in MLflow."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from headrace.errors import SourceInvalid
from headrace.registry.redacting import without_secrets
from headrace.registry.refusing import is_database
from headrace.registry.report import PREFIX, Report

#: Of experiments, of which each registered model has one.
EXPERIMENT: Final = "headrace/"
#: Tags of a run, by which it is found again.
ROLLOUT: Final = f"{PREFIX}rollout"
VERSION: Final = f"{PREFIX}version"
#: What MLflow shows above a run.
NOTE: Final = "mlflow.note.content"
PICTURE: Final = "verdict.png"
TAKEN: Final = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True)
class Run:
    """That of a report, by a client of MLflow's; each call raises what MLflow's libraries do."""

    client: Any
    report: Report
    #: Where an experiment that is made keeps its files; None leaves it to the server.
    files: str | None

    def opened(self) -> tuple[str, str]:
        """Return its id, and where it is, for people; it is made if there is none.

        Raises:
            SourceInvalid: somebody deleted it.
        """
        run = self._found()
        return run.info.run_id, self._shown(run)

    def tell(self, run_id: str) -> None:
        """Tell it metrics and verdict."""
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

    def attach(self, run_id: str, picture: bytes) -> None:
        """Store its picture."""
        with TemporaryDirectory() as scratch:
            path = Path(scratch) / PICTURE
            path.write_bytes(picture)
            self.client.log_artifact(run_id, str(path))

    def _found(self) -> Any:
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
