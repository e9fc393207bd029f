"""Models of a registry, called on a server of one process and over MLflow's own server."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer, ready
from tests.ports import free_ports
from tests.registry.conftest import Logged, log_all
from tests.registry.mlflow_server import needs_server, serving

from headrace.config.source import Address
from headrace.registry.cache import damage, let_go
from headrace.registry.source import fetch, resolve

FLAVOURS = ("kinds", "chances", "greeter", "adder", "pickled", "exported", "graph")


@pytest.fixture(scope="module")
def server(logged: Logged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    for name in FLAVOURS:
        (models / name).mkdir()
        source = "models:/kinds@champion" if name == "kinds" else f"models:/{name}/1"
        (models / name / "model.yaml").write_text(f"source: {source}\n")
    with ready(models, logged.state) as running:
        yield running


def infer(server: LocalServer, model: str, **inputs: Any) -> tuple[int, Any]:
    body = {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": shape, "data": data}
            for name, (datatype, shape, data) in inputs.items()
        ]
    }
    url = f"http://{server.http}/v2/models/{model}/infer"
    headers = {"Content-Type": "application/json"}
    return server.send(urllib.request.Request(url, json.dumps(body).encode(), headers))


def outputs(answer: tuple[int, Any]) -> dict[str, Any]:
    status, body = answer
    assert status == 200, body
    return {one["name"]: one["data"] for one in body["outputs"]}


def test_columns_are_tensors_of_a_row_each(server: LocalServer) -> None:
    status, told = server.get(f"http://{server.http}/v2/models/kinds")
    assert (status, told["platform"], told["versions"]) == (200, "mlflow", ["1"])
    assert told["inputs"][0] == {"name": "width", "datatype": "FP64", "shape": [-1]}
    answer = infer(server, "kinds", width=("FP64", [2], [0, 3]), height=("FP64", [2], [1, 0]))
    assert outputs(answer) == {"output": [0, 1]}


def test_an_estimator_is_called_by_the_method_that_it_was_logged_with(server: LocalServer) -> None:
    found = outputs(infer(server, "chances", input=("FP64", [2, 2], [0, 1, 3, 0])))["output"]
    assert found[0] > found[1]
    assert found[2] < found[3]
    assert sum(found) == pytest.approx(2)


def test_a_function_takes_texts_and_returns_them(server: LocalServer) -> None:
    answer = infer(
        server, "greeter", name=("BYTES", [2], ["hi", "ho"]), times=("FP64", [2], [1, 2])
    )
    assert outputs(answer) == {"said": ["hi", "hoho"], "length": [2, 4]}


def test_a_function_may_write_to_what_it_is_given(server: LocalServer) -> None:
    row = ("FP32", [1, 4], [1, 2, 3, 4])
    assert outputs(infer(server, "adder", a=row, b=row)) == {"sum": [2, 4, 6, 8]}


@pytest.mark.parametrize("model", ["pickled", "exported", "graph"])
def test_a_network_is_called_as_it_is(server: LocalServer, model: str) -> None:
    answer = infer(server, model, x=("FP32", [2, 4], [*range(8)]))
    assert outputs(answer) == {"y": [2 * one for one in range(8)]}


def test_what_does_not_fit_the_signature_is_the_callers_error(server: LocalServer) -> None:
    status, body = infer(server, "adder", a=("FP64", [1, 4], [1, 2, 3, 4]))
    assert status == 400
    assert "FP32" in body["error"] or "'b'" in body["error"]


def test_check_runs_it_without_a_server(server: LocalServer) -> None:
    said = server.command("check", str(server.models / "kinds"), code=1)
    assert "nothing says where MLflow's registry is" in said


@pytest.mark.filterwarnings("ignore")
@needs_server
def test_versions_come_over_http_from_mlflows_server(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    with serving(tmp_path, free_ports()) as uri:
        log_all(uri)
        MlflowClient(uri).set_registered_model_alias("kinds", "champion", "2")
        found = resolve(Address("kinds", alias="champion"), registry=uri, state=tmp_path)
        assert (found.number, found.artifacts[:17]) == (2, "mlflow-artifacts:")
        place = fetch(found, state=tmp_path, say=lambda text: None)
        assert damage(place) == ""
        let_go(place)
        (tmp_path / "models_of_http" / "kinds").mkdir(parents=True)
        yaml = f"source: models:/kinds@champion\nmlflow: {{registry: '{uri}'}}\n"
        (tmp_path / "models_of_http" / "kinds" / "model.yaml").write_text(yaml)
        with ready(tmp_path / "models_of_http", tmp_path) as server:
            row = {"width": ("FP64", [1], [3]), "height": ("FP64", [1], [0])}
            assert outputs(infer(server, "kinds", **row)) == {"output": [1]}
