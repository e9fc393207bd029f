"""An account that may do a part of what is reported does that part."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_ports
from tests.registry.mlflow_server import answering, needs_accounts, serving
from tests.registry.test_reporting import (
    at,
    delivered,
    registered,
    runs,
)
from tests.reports import report_of, whole

from headrace.config.account import PASSWORD, USERNAME, read
from headrace.registry.delivering import Delivery, Outcome
from headrace.registry.report import AliasMove, Part, Report
from headrace.registry.reporting import asking

pytestmark = pytest.mark.filterwarnings("ignore")
TAGS = ("set_model_version_tag",)
ALIASES = ("set_registered_model_alias",)
RUNS = ("create_experiment", "create_run", "log_batch")
READING = ("get_model_version", "get_registered_model")
HARMLESS = ("search_experiments", "search_registered_models")


class Denying:
    """A client of an account that may not make some calls."""

    def __init__(self, client: Any, *denied: str) -> None:
        self._client, self._denied = client, denied

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

        if name in self._denied:
            raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)
        call: Callable[..., Any] = getattr(self._client, name)
        return call


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry of which each test has a copy: to make one takes seconds."""
    folder = tmp_path_factory.mktemp("made")
    registered(f"sqlite:///{folder / 'mlflow.db'}", (folder / "photos").as_uri())
    return folder / "mlflow.db"


@pytest.fixture
def uri(made: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(made, tmp_path)}"


@pytest.fixture
def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri)


def told(client: Any, uri: str, report: Report, *denied: str) -> Outcome:
    files = (Path(uri.removeprefix("sqlite:///")).parent / "files").as_uri()
    return Delivery(Denying(client, *denied), at(uri, report), files, 0).told()


def there(client: Any) -> set[str]:
    """Return which parts of a whole report are there."""
    tags = client.get_model_version("photos", "3").tags
    named = client.get_model_version_by_alias("photos", "champion").version
    experiment = client.get_experiment_by_name("headrace/photos")
    has_run = experiment is not None and client.search_runs([experiment.experiment_id])
    parts = {"tags": "headrace.verdict" in tags, "aliases": int(named) == 3, "runs": has_run}
    return {part for part, is_there in parts.items() if is_there}


@pytest.mark.parametrize(
    ("denied", "parts"),
    [
        ((), {"tags", "aliases", "runs"}),
        (TAGS, {"aliases", "runs"}),
        (ALIASES, {"tags", "runs"}),
        (RUNS, {"tags", "aliases"}),
        ((*TAGS, *ALIASES), {"runs"}),
        ((*TAGS, *ALIASES, *READING), {"runs"}),
        ((*TAGS, *ALIASES, *RUNS), set()),
    ],
)
def test_what_is_denied_keeps_nothing_else_from_being_told(
    client: Any, uri: str, denied: tuple[str, ...], parts: set[str]
) -> None:
    outcome = told(client, uri, whole(), *denied)
    assert there(client) == parts == {*outcome.went}
    assert {*outcome.denied} == {"tags", "aliases", "runs"} - parts
    assert outcome.refused == ""


def test_an_alias_that_may_not_be_looked_at_keeps_no_metrics_back(client: Any, uri: str) -> None:
    outcome = told(client, uri, report_of(watched="champion"), *READING)
    assert there(client) == {"runs"}
    assert {*outcome.denied} == {"tags", "watch"}


def test_whoever_denies_everything_does_not_know_the_account(client: Any, uri: str) -> None:
    from mlflow.exceptions import MlflowException

    everything = (*TAGS, *ALIASES, *RUNS, *READING, *HARMLESS)
    with pytest.raises(MlflowException, match="Permission denied"):
        told(client, uri, whole(), *everything)


@pytest.mark.parametrize("part", [Part.TAGS, Part.ALIASES, Part.RUNS])
def test_what_is_not_to_be_told_is_not(client: Any, uri: str, part: Part) -> None:
    parts = tuple(one for one in Part if one is not part)
    outcome = told(client, uri, whole(parts=parts))
    assert there(client) == {"tags", "aliases", "runs"} - {part.value}
    assert not outcome.denied


def test_a_proxy_that_forbids_everything_makes_nobody_lose_a_report(tmp_path: Path) -> None:
    with answering(403) as uri:
        standing = delivered(tmp_path, at(uri, whole()))
    assert (standing.pending, standing.refused, standing.tries) == (1, 0, 1)
    assert "403" in standing.last_error


@needs_accounts
def test_an_account_of_mlflows_server_tells_what_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient
    from mlflow.server import get_app_client

    port = free_ports()
    (tmp_path / "auth.ini").write_text(
        "[mlflow]\ndefault_permission = READ\nadmin_username = admin\n"
        f"database_uri = sqlite:///{tmp_path}/auth.db\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(tmp_path / "auth.ini"))
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", "of the administrator")
    monkeypatch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "of a test")

    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "of the administrator")
    with serving(tmp_path, port, "--app-name", "basic-auth") as uri:
        client = registered(uri, "s3://models/photos")
        accounts: Any = get_app_client("basic-auth", tracking_uri=uri)
        accounts.create_user("min", "of the account")
        metrics = report_of(step=1, watched="champion")
        reports = metrics, whole(aliases=(AliasMove("champion", 2),))
        # Who reads may do all of it, and who tells may not.
        account = read({USERNAME: "min", PASSWORD: "of the account"})
        deliver = asking(tmp_path / "state", account)
        told = [at(uri, one) for one in reports]
        standing = delivered(tmp_path / "state", *told, deliver=deliver)
        assert (standing.pending, standing.last_error) == (0, "")
        (run,) = runs(MlflowClient(uri), "r1")
        assert run.info.status == "FINISHED"
        assert {*standing.denied["3 in r1"]} == {"tags", "aliases"}
        assert "let this account edit the registered model" in standing.last_refusal
        accounts.grant_user_permission("min", "registered_model", "photos", "EDIT")
        standing = delivered(tmp_path / "state", told[1], deliver=deliver)
        assert not standing.denied
        assert int(client.get_model_version_by_alias("photos", "champion").version) == 3
