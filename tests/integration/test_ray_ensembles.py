"""Versions that models in processes of their own answer together, on Ray."""

import os
import signal

import pytest
from tests.integration.conftest import START_S, Run, Serve, serving, until, write_model
from tests.integration.models import IDENTITY

CHAIN = """
inputs: [{name: x, datatype: FP32, shape: [4]}]
outputs: [{name: y, datatype: FP32, shape: [4]}]
max_rows: 8
steps:
- {model: first, inputs: {x: x}, outputs: {y: between}}
- {model: second, inputs: {x: between}, outputs: {y: y}}
"""
TIMES = IDENTITY.replace('"y": batch["x"]', '"y": batch["x"] * {times}')


@pytest.fixture(scope="module")
def run(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = tmp_path_factory.mktemp("models")
    write_model(models, "first", TIMES.format(pause=0, times=2))
    write_model(models, "second", TIMES.format(pause=0, times=3))
    folder = models / "chain" / "1"
    folder.mkdir(parents=True)
    (folder / "ensemble.yaml").write_text(CHAIN)
    started = serve(models)
    until(lambda: started.answers("chain"), START_S, "its models are there")
    return started


def answered(run: Run) -> tuple[int, float | str]:
    status, answer = run.infer("chain", 3.0)
    return status, answer["outputs"][0]["data"][0] if status == 200 else answer["error"]


def test_hosts_answer_together_and_the_gateway_stands_for_it(run: Run) -> None:
    assert answered(run) == (200, 18.0)
    (chain, *_) = run.status()["models"]
    (version,) = chain["versions"]
    assert (version["state"], version["process"], version["hosts"]) == ("ready", "gateway", 1)


def test_a_gateway_that_takes_over_has_it_too(run: Run) -> None:
    until(lambda: len(run.pids("gateway")) == 2, START_S, "one stands by")
    (before,) = serving(run)
    os.kill(before, signal.SIGKILL)
    until(lambda: run.answers("chain"), START_S, "another answers")
    assert answered(run) == (200, 18.0)


def test_a_host_that_is_lost_is_waited_for(run: Run) -> None:
    (host,) = run.pids("second/1")
    os.kill(host, signal.SIGKILL)
    until(lambda: answered(run) == (200, 18.0), START_S, "another host answers")


def test_a_model_that_is_gone_is_named(run: Run) -> None:
    run.command("unload", "second/1")
    until(lambda: answered(run)[0] == 503, 60, "it is gone")
    told = str(answered(run)[1])
    assert told.startswith("in ensemble 'chain', ")
    assert "'second'" in told
    run.command("load", "second/1")
    until(lambda: answered(run) == (200, 18.0), START_S, "it is back")
