"""A real registry in SQLite, with a model of each flavour."""

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

#: Before MLflow is imported, which would tell its makers.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Logged:
    """A state folder whose mlflow.db knows some models."""

    state: Path

    @property
    def uri(self) -> str:
        return f"sqlite:///{self.state / 'mlflow.db'}"


def log_all(uri: str, artifacts: Path | None = None) -> None:
    """Log and register what `tests.registry.logging_models` has, as its author's own process."""
    # MLflow warns of what it will do otherwise one day.
    command = [sys.executable, "-W", "ignore", "-m", "tests.registry.logging_models", uri]
    command += [] if artifacts is None else [artifacts.as_uri()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session", autouse=True)
def mlflow_is_installed() -> None:
    if find_spec("mlflow") is None:
        pytest.skip("MLflow is not installed: pip install 'headrace[mlflow]'")


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """A registry with every model; who moves something in it puts it back."""
    made = Logged(tmp_path_factory.mktemp("state"))
    log_all(made.uri, made.state / "artifacts")
    return made


@pytest.fixture(autouse=True)
def no_other_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "HEADRACE_MODEL_CACHE_GIB"):
        monkeypatch.delenv(name, raising=False)
