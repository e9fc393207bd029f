"""A server on Ray as its user meets it: answers, states with reasons, the log, ports."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from prometheus_client.parser import text_string_to_metric_families
from tests.integration.conftest import (
    Run,
    Serve,
    alive,
    command,
    error_id,
    until,
    write_model,
)
from tests.integration.load import CALL_S, Protocol, call, client
from tests.integration.models import IDENTITY
from tests.ports import free_ports


@pytest.fixture(scope="module")
def run(serve: Serve, repository: Path) -> Run:
    write_model(repository, "wide", IDENTITY.format(pause=0).replace("[4]", "[-1]"))
    # More than any machine has.
    write_model(repository, "greedy", IDENTITY.format(pause=0), "placement: {gpus: 64}")
    return serve(repository)


def test_tritons_clients_get_right_answers(run: Run) -> None:
    given = np.arange(8, dtype=np.float32).reshape(2, 4)
    for module, address in ((tritonclient.http, run.http), (tritonclient.grpc, run.grpc)):
        with module.InferenceServerClient(address) as client:
            tensor = module.InferInput("x", [2, 4], "FP32")
            tensor.set_data_from_numpy(given)
            answer = client.infer("identity", [tensor])
            np.testing.assert_array_equal(answer.as_numpy("y"), given)
            assert client.is_model_ready("identity")


def test_large_tensors_travel_whole_both_ways_several_at_once(run: Run) -> None:
    ended: list[str] = []

    def send(protocol: Protocol, seed: int) -> None:
        # 1 MB: it lies in memory that both processes map, from 64 KiB on.
        given = np.random.default_rng(seed).random((1, 1 << 18)).astype(np.float32)
        with client(run, protocol) as connected:
            ended.extend(call(connected, "wide", given).how for _ in range(10))

    callers = [
        threading.Thread(target=send, args=(protocol, seed))
        for seed in range(3)
        for protocol in ("http", "grpc")
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(CALL_S)
    assert ended == ["right"] * 60


def test_a_version_that_does_not_load_says_why_and_harms_no_other(run: Run) -> None:
    models = {model["name"]: model["versions"][0] for model in run.status()["models"]}
    assert models["broken"]["state"] == "failed"
    assert "the weights are gone" in models["broken"]["reason"]
    assert models["identity"]["state"] == "ready"
    assert models["identity"]["hosts"] == 1
    until(lambda: "the weights are gone" in str(index(run)["broken"]), 30, "the index has it")
    assert index(run)["broken"]["state"] == "UNAVAILABLE"
    assert "broken/1 | RuntimeError: the weights are gone" in run.said()
    status, body = run.infer("broken", 0.0)
    assert (status, "the weights are gone" in body["error"]) == (503, True)


def test_a_version_that_asks_for_gpus_that_are_not_there_fails_at_once(run: Run) -> None:
    greedy = run.version("greedy")
    assert greedy["state"] == "failed"
    assert "placement.gpus asks for 64, and this machine has" in greedy["reason"]


def index(run: Run) -> dict[str, dict[str, str]]:
    with tritonclient.http.InferenceServerClient(run.http) as client:
        return {row["name"]: row for row in client.get_model_repository_index()}


def test_what_a_model_prints_reaches_the_terminal_with_its_name(run: Run) -> None:
    assert run.infer("rude", 3.0)[0] == 200
    lines = {"rude/1 | said by the model", "rude/1 | said below Python"}
    until(lambda: lines <= set(run.said().splitlines()), 30, "the terminal shows both lines")


def test_a_models_traceback_is_found_by_the_id_that_its_caller_got(run: Run) -> None:
    status, body = run.infer("rude", 1.0)
    assert status == 500
    assert "ValueError: a rude answer" in body["error"]
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "headrace",
            "errors",
            error_id(body["error"]),
            "--url",
            f"http://{run.console}",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "Traceback" in shown
    assert "a rude answer" in shown


def test_a_scrape_counts_what_was_sent_and_keeps_its_totals_when_a_host_dies(run: Run) -> None:
    before = scrape(run)
    calls: list[tuple[Protocol, int]] = [("http", 1), ("grpc", 1), ("http", 3), ("grpc", 5)]
    for protocol, rows in calls:
        with client(run, protocol) as connected:
            assert call(connected, "identity", np.ones((rows, 4), np.float32)).how == "right"
    sent = {
        "nv_inference_request_success": 4,
        "nv_inference_count": 10,
        # Known to the host alone.
        "nv_inference_exec_count": 4,
        "headrace_batch_rows_sum": 10,
        "headrace_compute_duration_seconds_count": 4,
    }
    until(lambda: counted(run, before, sent) == sent, 30, "the page has what was sent")
    (host,) = run.pids("identity/1")
    os.kill(host, signal.SIGKILL)
    until(lambda: run.pids("identity/1") not in ([], [host]), 90, "the host is replaced")
    assert counted(run, before, sent) == sent
    with client(run, "grpc") as connected:
        until(
            lambda: call(connected, "identity", np.ones((2, 4), np.float32)).how == "right",
            60,
            "the new host answers",
        )
    more = {"nv_inference_request_success": 5, "nv_inference_count": 12}
    until(lambda: counted(run, before, more) == more, 30, "the totals grow")
    assert counted(run, before, {"nv_inference_exec_count": 5}) == {"nv_inference_exec_count": 5}


def scrape(run: Run) -> dict[str, float]:
    """What the page says of identity/1."""
    with urllib.request.urlopen(f"http://{run.metrics}/metrics", timeout=10) as reply:
        families = text_string_to_metric_families(reply.read().decode())
    return {
        # The parser puts a _total behind every counter.
        sample.name.removesuffix("_total"): sample.value
        for family in families
        for sample in family.samples
        if sample.labels == {"model": "identity", "version": "1"}
    }


def counted(run: Run, before: dict[str, float], names: Iterable[str]) -> dict[str, float]:
    now = scrape(run)
    return {name: now[name] - before[name] for name in names}


def test_ray_is_small_and_its_own(run: Run) -> None:
    titles = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in run.below()]
    assert sorted(title for title in titles if title in {"gcs_server", "raylet"}) == [
        "gcs_server",
        "raylet",
    ]
    assert not run.named("dashboard.py")
    assert not run.named("Agent"), "none of Ray's agents"
    assert not (run.state.parent / ".ray").exists(), "the token lies in the state folder"
    assert (run.state / "ray-token").stat().st_mode & 0o077 == 0
    assert (run.state / "headrace-ray").stat().st_mode & 0o077 == 0, "what Ray keeps is ours alone"


def test_a_taken_port_is_named_with_its_owner_at_once(repository: Path, tmp_path: Path) -> None:
    port = free_ports()
    with socket.create_server(("127.0.0.1", port + 1)):
        began = time.monotonic()
        refused = subprocess.run(
            command(repository, tmp_path / "state", port),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert refused.returncode == 1
    assert f"127.0.0.1:{port + 1}" in refused.stderr
    assert f"process {os.getpid()}" in refused.stderr
    assert time.monotonic() - began < 20


def test_a_state_folder_in_use_is_refused(run: Run, repository: Path) -> None:
    refused = subprocess.run(
        command(repository, run.state, free_ports()),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert f"process {run.process.pid}" in refused.stderr
    assert alive(run.below()), "the one that has it goes on"
