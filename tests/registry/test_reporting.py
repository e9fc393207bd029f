"""What is reported reaches MLflow, in SQLite and over HTTP, and is read there by its own client."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.local.callers import until
from tests.ports import free_ports
from tests.registry.mlflow_server import answering, needs_server, serving
from tests.reports import VERDICT, report_of, whole

from headrace.errors import SourceAway
from headrace.registry.delivering import PICTURE_TRIES, WORK_S
from headrace.registry.delivering import deliver as deliver_here
from headrace.registry.facts import Place
from headrace.registry.report import PNG, AliasMove, Report, as_json
from headrace.registry.reporting import FILES, Deliver, Reporter, asking
from headrace.registry.runs import PICTURE
from headrace.registry.standing import Standing

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
EXPERIMENT = "headrace/photos"
#: MLflow's client is used here, and warns of what SQLAlchemy will do otherwise one day.
pytestmark = pytest.mark.filterwarnings("ignore")


def registered(uri: str, source: str) -> Any:
    """Register photos with three versions, of which the champion is the second."""
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    client.create_registered_model("photos")
    for _ in range(3):
        client.create_model_version("photos", source)
    client.set_registered_model_alias("photos", "champion", "2")
    return client


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a registry."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def uri(state: Path) -> str:
    return f"sqlite:///{state / 'mlflow.db'}"


@pytest.fixture(scope="module")
def client(uri: str, state: Path) -> Any:
    return registered(uri, (state / "photos").as_uri())


@pytest.fixture
def deliver(state: Path) -> Deliver:
    return asking(state)


def nobody(end: object) -> None: ...


def at(uri: str, report: Report) -> Report:
    return replace(report, place=Place(uri, uri))


def delivered(state: Path, *reports: Report, **settings: Any) -> Standing:
    reporter = Reporter(state, list[str]().append, **settings)
    for report in reports:
        reporter.report(report)
    reporter.close(patience_s=PATIENCE_S)
    (standing,) = reporter.status()
    return standing


def runs(client: Any, rollout: str) -> list[Any]:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return list(
        client.search_runs([experiment.experiment_id], f"tags.`headrace.rollout` = '{rollout}'")
    )


def history(client: Any, run: Any, name: str) -> list[tuple[int, float, int]]:
    found = client.get_metric_history(run.info.run_id, name)
    return sorted((one.step, one.value, one.timestamp) for one in found)


def check_all_is_there(client: Any, uri: str, standing: Standing, rollout: str) -> None:
    """A report of metrics at steps 1 and 2, and then a whole one, were told."""
    assert (standing.pending, standing.refused, standing.last_error) == (0, 0, "")
    (run,) = runs(client, rollout)
    start = 1_700_000_000_000
    assert history(client, run, "candidate/p99_ms") == [
        (1, 101.0, start + 1),
        (2, 102.0, start + 2),
        (7, 101.0, start + 7),
    ]
    assert history(client, run, "verdict/evidence") == [(7, 31.5, start + 7)]
    assert (run.info.status, run.info.end_time) == ("FINISHED", start + 7)
    assert run.info.run_name == f"photos/3 {rollout}"
    assert run.data.tags["mlflow.note.content"] == f"promote: {VERDICT.sentence}"
    version = client.get_model_version("photos", "3")
    told = {"rollout": rollout, "version": "3", "model": "photos", "run": run.info.run_id}
    for name, value in whole().labels.items():
        assert version.tags[name] == run.data.tags[name] == value
    for name in ("rollout", "version", "model"):
        assert run.data.tags[f"headrace.{name}"] == told[name]
    assert version.tags["headrace.run"] == told["run"]
    path = Path(client.download_artifacts(run.info.run_id, PICTURE))
    assert path.read_bytes() == PNG + b"rest"
    where = standing.places[f"3 in {rollout}"]
    assert uri in where
    assert run.info.run_id in where


def three(uri: str, rollout: str) -> list[Report]:
    some = [report_of(step=1), report_of(step=2), whole(aliases=(AliasMove("champion", 2),))]
    return [at(uri, replace(report, rollout=rollout)) for report in some]


def test_metrics_verdict_picture_and_alias_are_read_by_mlflows_own_client(
    client: Any, uri: str, state: Path
) -> None:
    standing = delivered(state, *three(uri, "all"))
    check_all_is_there(client, uri, standing, "all")
    assert int(client.get_model_version_by_alias("photos", "champion").version) == 3
    assert standing.aliases == {"champion": "champion was moved from version 2 to version 3"}
    # Not in the folder that the server happens to be in.
    assert list((state / FILES).rglob(PICTURE))
    client.set_registered_model_alias("photos", "champion", "2")
    # Told again, without the alias, it changes nothing.
    again = delivered(state, *(replace(one, aliases=()) for one in three(uri, "all")))
    check_all_is_there(client, uri, again, "all")
    assert int(client.get_model_version_by_alias("photos", "champion").version) == 2
    assert again.aliases == {}


def test_a_kill_between_any_two_calls_leaves_nothing_out_and_nothing_twice(
    client: Any, uri: str, state: Path
) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.registry.delivery_killed"]
    command += [uri, (state / FILES).as_uri()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rollouts = done.stdout.split()
    assert len(rollouts) > 8
    for rollout in rollouts:
        (run,) = runs(client, rollout)
        assert history(client, run, "candidate/p99_ms") == [(7, 101.0, 1_700_000_000_007)]
        assert [one.path for one in client.list_artifacts(run.info.run_id)] == [PICTURE]
        assert int(client.get_model_version_by_alias("photos", rollout).version) == 3
        client.delete_registered_model_alias("photos", rollout)


def test_an_alias_that_somebody_moved_stays_and_it_is_said(
    client: Any, uri: str, state: Path
) -> None:
    client.set_registered_model_alias("photos", "live", "1")
    report = at(uri, whole(rollout="moved", aliases=(AliasMove("live", 2),)))
    standing = delivered(state, report)
    assert int(client.get_model_version_by_alias("photos", "live").version) == 1
    assert standing.aliases["live"].startswith("live names version 1 and stays so: it named")
    assert standing.pending == standing.refused == 0
    client.delete_registered_model_alias("photos", "live")


def test_an_alias_that_somebody_moves_while_it_is_watched_is_said(
    client: Any, uri: str, state: Path
) -> None:
    client.set_registered_model_alias("photos", "live", "1")
    reporter = Reporter(state, list[str]().append)
    for step, version in (1, "1"), (2, "3"):
        client.set_registered_model_alias("photos", "live", version)
        report = replace(report_of(step=step), rollout="watched", watched="live")
        reporter.report(at(uri, report))
        until(lambda: step == 2 or not reporter.status()[0].pending)  # noqa: B023 - called at once
    reporter.close(patience_s=PATIENCE_S)
    words = "somebody moved live in the registry: version 1 to version 3"
    assert reporter.status()[0].moved == {"watched": words}
    client.delete_registered_model_alias("photos", "live")


def test_what_was_deleted_there_is_said_and_the_next_goes(
    client: Any, uri: str, state: Path
) -> None:
    gone = at(uri, report_of("state", version=99))
    here = at(uri, report_of("state", version=1, tags={"state": "baseline"}))
    standing = delivered(state, gone, here)
    assert (standing.pending, standing.refused) == (0, 1)
    assert "photos/99" in standing.last_refusal
    assert client.get_model_version("photos", "1").tags["headrace.state"] == "baseline"


def test_a_run_that_was_deleted_gets_nothing_and_the_version_its_tags(
    client: Any, uri: str, state: Path
) -> None:
    delivered(state, at(uri, report_of(rollout="deleted", version=2)))
    (run,) = runs(client, "deleted")
    client.delete_run(run.info.run_id)
    verdict = at(uri, whole(rollout="deleted", version=2, aliases=()))
    standing = delivered(state, verdict)
    assert f"the run {run.info.run_id} of photos/2 in deleted was deleted" in standing.last_refusal
    assert client.get_model_version("photos", "2").tags["headrace.verdict"] == "promote"
    assert runs(client, "deleted") == []


def test_a_picture_that_cannot_be_stored_waits_and_then_holds_nothing_up(
    client: Any, uri: str, state: Path, deliver: Deliver
) -> None:
    report = at(uri, whole(rollout="blocked", aliases=()))
    (outcome,) = deliver([report], tries=PICTURE_TRIES, begun=nobody)
    assert "10 tries failed" in outcome.refused
    (run,) = runs(client, "blocked")
    assert client.list_artifacts(run.info.run_id) == []
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.is_dir():
        folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(SourceAway, match="It is asked again"):
        deliver([report], tries=0, begun=nobody)


def test_what_takes_long_is_told_in_parts(client: Any, uri: str, state: Path) -> None:
    reports = [as_json(at(uri, report_of(step=step, rollout="long"))) for step in range(4)]
    times = iter((0.0, 1.0, WORK_S + 1.0))
    outcomes = deliver_here(
        Place(uri, uri), reports, tries=0, files=state.as_uri(), clock=lambda: next(times)
    )
    assert len(outcomes) == 2
    (run,) = runs(client, "long")
    assert [step for step, _, _ in history(client, run, "candidate/p99_ms")] == [0, 1]


def test_who_answers_in_a_registrys_stead_makes_nobody_lose_a_report(tmp_path: Path) -> None:
    said: list[str] = []
    with answering(404) as uri:
        reporter = Reporter(tmp_path, said.append)
        reporter.report(at(uri, whole()))
        reporter.close(patience_s=PATIENCE_S)
        (standing,) = reporter.status()
    assert (standing.pending, standing.refused, standing.tries) == (1, 0, 1)
    assert "404" in standing.last_error
    assert "secret" not in standing.last_error + standing.registry + "".join(said)


@needs_server
def test_a_server_of_mlflows_gets_what_happened_while_it_was_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_ports()
    uri = f"http://127.0.0.1:{port}"
    reports = three(uri, "away")
    standing = delivered(tmp_path / "state", *reports[:2])
    assert (standing.pending, standing.tries) == (2, 1)
    assert uri in standing.last_error
    with serving(tmp_path, port):
        client = registered(uri, "s3://models/photos")
        standing = delivered(tmp_path / "state", *reports[2:])
        check_all_is_there(client, uri, standing, "away")
        told = [replace(one, aliases=()) for one in three(uri, "away")]
        again = delivered(tmp_path / "state", *told)
        check_all_is_there(client, uri, again, "away")
        assert int(client.get_model_version_by_alias("photos", "champion").version) == 3
        (run,) = runs(client, "away")
        assert standing.places["3 in away"] == (
            f"{uri}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
        )
