"""A server that tells a hook what has failed, also where it is killed meanwhile."""

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.hooks.receiver import PATIENCE_S, SECRET, receiving
from tests.local.conftest import ready, start, write_model

from headrace.config.hooks import SECRET as VARIABLE


def write_bad(models: Path) -> None:
    (models / "bad" / "1").mkdir(parents=True)
    (models / "bad" / "1" / "model.py").write_text('raise ValueError("no weights")')


def test_what_was_not_told_before_a_kill_is_told_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    models, state = tmp_path / "models", tmp_path / "state"
    write_model(models, "good", 'return {"y": batch["x"]}')
    write_bad(models)
    hold = threading.Event()

    def answers(number: int) -> tuple[int, dict[str, Any]]:
        if number == 1:
            hold.wait(PATIENCE_S)
        return 204, {}

    with receiving(answers) as receiver:
        killed = start(models, state, "--hook", receiver.url)
        try:
            receiver.wait(1)
        finally:
            killed.process.kill()
            killed.process.wait()
        (kept,) = (state / "hooks").rglob("*.json")
        hold.set()
        with ready(models, state, "--hook", receiver.url) as server:
            (first, failed), (again, _), (other, new) = receiver.wait(3)
            (standing,) = server.get(f"{server.console}/api/hooks")[1]["hooks"]
            shown = server.command("status", code=1)
            said = server.output()
        assert not kept.exists()
    # The same event under the same id; and that of the second start, which failed anew.
    assert first == again != other
    assert len(receiver.events) == 3
    assert (failed["type"], failed["subject"]) == ("dev.headrace.version.failed", "bad/1")
    assert (failed["data"]["model"], failed["data"]["version"]) == ("bad", 1)
    assert "ValueError: no weights" in failed["data"]["reason"]
    assert len(failed["data"]["digest"]) == len(new["data"]["digest"]) > 0
    assert standing["url"] == f"http://127.0.0.1:{receiver.port}/…"
    assert f"hook 1 (http://127.0.0.1:{receiver.port}/…): " in shown
    for secret in ("secret-token", SECRET, SECRET[6:]):
        assert secret not in said + shown
        assert secret not in (state / "logs" / "headrace.jsonl").read_text()


def test_a_server_that_has_nothing_to_serve_says_so_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    write_bad(tmp_path / "models")
    with receiving() as receiver:
        running = start(tmp_path / "models", tmp_path / "state", "--hook", receiver.url)
        try:
            assert running.process.wait(PATIENCE_S) == 1
        finally:
            running.process.kill()
        assert [event["subject"] for _, event in receiver.events] == ["bad/1"]


def test_a_rollout_is_told_and_the_secret_is_nothing_that_a_model_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, SECRET)
    yaml = "rollouts: {default: {steps_percent: [5, 100], judge: {errors: {}}}}"
    monkeypatch.setenv("HEADRACE_REPORT_TOKEN", "of who tells registries")
    hidden = "'HEADRACE_HOOK' in one or 'HEADRACE_REPORT' in one"
    sees = f"return {{'y': batch['x'] * float(any({hidden} for one in os.environ))}}"
    write_model(tmp_path / "models", "one", sees, yaml)
    shutil.copytree(tmp_path / "models" / "one" / "1", tmp_path / "models" / "one" / "2")
    with receiving() as receiver:
        monkeypatch.setenv("HEADRACE_HOOKS", receiver.url)
        with ready(tmp_path / "models", tmp_path / "state") as server:
            assert len(server.get(f"{server.console}/api/hooks")[1]["hooks"]) == 1
            assert server.post("one", [[1, 1, 1, 1]])[1]["outputs"][0]["data"] == [0, 0, 0, 0]
            server.command("split", "one", "1=100")
            server.command("rollout", "start", "one/2", "--why", "newer")
            server.command("rollout", "rollback", "1", "--why", "too new")
            (_, begun), (_, ended) = receiver.wait(2)
    digests = {begun["data"][arm]["digest"] for arm in ("candidate", "baseline")}
    assert (len(digests), min(map(len, digests)) > 0) == (1, True)
    assert (begun["type"], begun["data"]["why"]) == ("dev.headrace.rollout.started", "newer")
    assert (ended["type"], ended["subject"]) == ("dev.headrace.rollout.ended", "one/2")
    assert (ended["data"]["verdict"], ended["data"]["baseline"]["percent"]) == ("rolled_back", 100)
    assert "too new" in ended["data"]["reason"]
    reports = (tmp_path / "state" / "reports" / "one").absolute()
    assert ended["data"]["reports"] == [str(reports / "2"), str(reports / "1")]
