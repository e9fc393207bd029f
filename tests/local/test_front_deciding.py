"""Versions of another server as shadows and in rollouts, beside versions of our own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.local.callers import traffic, until
from tests.local.conftest import LocalServer, ready, start, write_model
from tests.local.test_rollouts import BODY, ended, rollout, shares

PLAN = """
rollouts:
  default:
    steps_percent: [50, 100]
    judge: {errors: {max_increase_points: 3}, p50: {max_ratio: 10}}
    minimum: {units: 50, minutes: 0}
    max_hours: 1
  alike:
    steps_percent: [50, 100]
    judge: {agreement: {min_percent: 90, mirror_percent: 100, repeatable: true}}
    minimum: {units: 20, minutes: 0}
  patient:
    steps_percent: [50, 100]
    judge: {errors: {max_increase_points: 3}}
    minimum: {units: 50, minutes: 60}
    max_crashes: 0
"""
GOOD, OTHER = 'return {"y": batch["x"] * 2}', 'return {"y": batch["x"] * -2}'
BAD = f"""
if np.random.random() < 0.2: raise ValueError("by chance")
{GOOD}
"""


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[LocalServer]:
    for name, body in (("one", GOOD), ("bad", BAD), ("other", OTHER)):
        write_model(tmp_path / "theirs", name, body)
    server = start(tmp_path / "theirs", tmp_path / "up")
    try:
        server.wait_ready()
        yield server
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def server(tmp_path: Path, upstream: LocalServer) -> Iterator[LocalServer]:
    """Versions 1, 4 and 5 are that server's, 2 and 3 our own; 1 has the traffic."""
    home = tmp_path / "models" / "one"
    for number, body in ((2, BAD), (3, GOOD)):
        write_model(tmp_path / str(number), "one", body)
        home.mkdir(parents=True, exist_ok=True)
        (tmp_path / str(number) / "one" / "1").rename(home / str(number))
    for number, model in ((1, "one"), (4, "bad"), (5, "other")):
        (home / str(number)).mkdir()
        file = home / str(number) / "upstream.yaml"
        file.write_text(f"url: grpc://{upstream.grpc}\nmodel: {model}\n")
    (home / "model.yaml").write_text(PLAN)
    with ready(tmp_path / "models", tmp_path / "state") as server:
        server.command("split", "one", "1=100")
        yield server


def verdict(server: LocalServer, version: int) -> tuple[str, str]:
    """Return what is said of a shadow beside version 1."""
    found: Any = server.get(f"{server.console}/api/shadows")[1]
    rows = [one for one in found["shadows"] if one["version"] == version]
    said = [against for one in rows for against in one["against"]]
    return (said[0]["verdict"], said[0]["why"]) if said else ("", "")


def test_shadows_are_compared_wherever_they_run(server: LocalServer) -> None:
    for version in (3, 5):
        server.command("shadow", "one", str(version), "--repeatable", "--apart")
    with traffic(server, "one", BODY, pause_s=0.02) as answered:
        until(lambda: verdict(server, 3)[0] == "same")
        until(lambda: verdict(server, 5)[0] == "differs")
    assert set(answered) == {200}
    assert "max rel" in verdict(server, 5)[1]


def test_a_rollout_decides_between_the_servers_version_and_ours(server: LocalServer) -> None:
    with traffic(server, "one", BODY):
        server.command("rollout", "start", "one/2")
        end, why = ended(server, 1)
        assert (end, "errors: " in why) == ("rolled back", True), why
        server.command("rollout", "start", "one/3")
        end, why = ended(server, 2)
        assert (end, "no metric is worse than allowed" in why) == ("promoted", True), why
        server.command("rollout", "start", "one/4")
        end, why = ended(server, 3)
        assert (end, "errors: " in why) == ("rolled back", True), why
    assert shares(server)[3] == 100


def test_answers_of_the_servers_version_are_mirrored_to_ours_and_back(server: LocalServer) -> None:
    with traffic(server, "one", BODY, pause_s=0.05) as answered:
        server.command("rollout", "start", "one/3", "--plan", "alike")
        assert ended(server, 1)[0] == "promoted"
        server.command("rollout", "start", "one/5", "--plan", "alike")
        end, why = ended(server, 2)
        assert (end, "agreement: 100 % bad" in why) == ("rolled back", True), why
    assert set(answered) == {200}


def test_a_server_that_is_lost_is_a_crash_of_its_version(
    server: LocalServer, upstream: LocalServer
) -> None:
    server.command("split", "one", "3=100")
    with traffic(server, "one", BODY):
        server.command("rollout", "start", "one/1", "--plan", "patient")
        until(lambda: rollout(server, 1)["metrics"][0]["candidate"]["units"] >= 50)
        upstream.process.kill()
        upstream.process.wait()
        until(lambda: "waits for its server" in server.command("versions", "one"))
        # What is asked meanwhile is no evidence. The crash is, and nobody waits for it to be back.
        end, why = ended(server, 1)
    assert (end, "version 1 crashed 1 times" in why) == ("rolled back", True), why
