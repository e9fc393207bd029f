"""Versions of one model side by side on Ray."""

import textwrap
from pathlib import Path

from tests.integration.conftest import START_S, Run, Serve, until
from tests.integration.models import IDENTITY

from headrace.models.lifecycle import State


def write_version(repository: Path, number: int, load: str) -> None:
    folder = repository / "two" / str(number)
    folder.mkdir(parents=True)
    source = textwrap.dedent(IDENTITY.format(pause=0))
    (folder / "model.py").write_text(source.replace("-> None: ...", f"-> None: {load}"))


def test_requests_go_to_the_version_that_serves_until_a_higher_one_does(
    serve: Serve, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    write_version(tmp_path / "models", 1, "...")
    wait = f"[time.sleep(0.05) for _ in iter(lambda: os.path.exists({str(gate)!r}), True)]"
    write_version(tmp_path / "models", 2, wait)
    run = serve(tmp_path / "models", wait=False)
    until(lambda: answering(run) == "1", START_S, "version 1 answers")
    assert states(run) == {1: State.READY.value, 2: State.LOADING.value}
    assert run.get(f"{run.http}/v2/health/ready") == {"ready": True}
    gate.touch()
    until(lambda: answering(run) == "2", START_S, "version 2 answers")
    until(lambda: "headrace is ready" in run.said(), 30, "it says so")
    # Gateways are told of version 2 in this moment; that must not undo their end.
    assert run.end() == 0
    assert "not everything" not in run.said()


def answering(run: Run) -> str:
    """The version that a request without one gets, or nothing."""
    try:
        status, body = run.infer("two", 1.0)
    except OSError:
        return ""
    return str(body["model_version"]) if status == 200 else ""


def states(run: Run) -> dict[int, str]:
    (model,) = run.status()["models"]
    return {version["version"]: version["state"] for version in model["versions"]}
