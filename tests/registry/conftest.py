"""A real registry in SQLite, with a model of each flavour."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

#: Before MLflow is imported, which would tell its makers.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
pytest.importorskip("mlflow", reason="MLflow is not installed: pip install 'headrace[mlflow]'")


@dataclass(frozen=True)
class Logged:
    """A state folder whose mlflow.db knows some models."""

    state: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.state / 'mlflow.db'}"


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """Log and register what `tests.registry.logging` has; nobody changes it."""
    import warnings

    from tests.registry.logging_models import log_all

    state = tmp_path_factory.mktemp("state")
    made = Logged(state)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
            patch.delenv(name, raising=False)
        # MLflow warns of what it will do otherwise one day.
        warnings.simplefilter("ignore")
        log_all(made.uri, state / "artifacts")
        yield made


@pytest.fixture(autouse=True)
def no_other_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "HEADRACE_MODEL_CACHE_GIB"):
        monkeypatch.delenv(name, raising=False)
