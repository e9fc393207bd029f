"""Health, metadata, index, statistics and metrics: what tools ask before they send work."""

import json
import queue
import re
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http


def ask(library: Any, rows: int) -> list[Any]:
    inputs = []
    for name in ("a", "b"):
        tensor = library.InferInput(name, [rows, 4], "INT32")
        tensor.set_data_from_numpy(np.ones((rows, 4), np.int32))
        inputs.append(tensor)
    return inputs


def test_both_protocols_agree_on_health(http: Any, grpc: Any, server: Any) -> None:
    for client in (http, grpc):
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("pair")
        assert client.is_model_ready("pair", "1")
        assert not client.is_model_ready("pair", "9")
        assert not client.is_model_ready("nobody")
    assert json.loads(server.get("/v2/health/live")[1]) == {"live": True}
    assert json.loads(server.get("/v2/health/ready")[1]) == {"ready": True}


def test_both_protocols_agree_on_metadata(http: Any, grpc: Any) -> None:
    assert http.get_server_metadata() == grpc.get_server_metadata(as_json=True)
    over_http = http.get_model_metadata("pair")
    assert over_http["inputs"][0] == {"name": "a", "datatype": "INT32", "shape": [-1, 4]}
    assert [o["name"] for o in over_http["outputs"]] == ["sum", "difference"]
    over_grpc = grpc.get_model_metadata("pair")
    assert (over_grpc.name, list(over_grpc.versions)) == ("pair", over_http["versions"])
    assert [list(i.shape) for i in over_grpc.inputs] == [[-1, 4], [-1, 4]]


def test_both_protocols_agree_on_the_configuration(http: Any, grpc: Any) -> None:
    config = http.get_model_config("pair")
    assert config["max_batch_size"] == 8
    assert [i["name"] for i in config["input"]] == ["a", "b"]
    assert config["input"][0]["data_type"] == "TYPE_INT32"
    over_grpc = grpc.get_model_config("pair").config
    assert over_grpc.max_batch_size == 8
    assert over_grpc.input[0].dims == [4]


def test_the_index_names_every_version_and_its_state(http: Any, grpc: Any) -> None:
    over_http = {row["name"]: row for row in http.get_model_repository_index()}
    over_grpc = {row.name: row for row in grpc.get_model_repository_index().models}
    assert over_http.keys() == over_grpc.keys() >= {"pair", "echo_fp32", "echo_bytes"}
    assert (over_http["pair"]["version"], over_http["pair"]["state"]) == ("1", "READY")
    assert (over_grpc["pair"].version, over_grpc["pair"].state) == ("1", "READY")


def test_shared_memory_is_an_empty_list_and_may_be_unregistered(http: Any, grpc: Any) -> None:
    assert http.get_system_shared_memory_status() == []
    assert http.get_cuda_shared_memory_status() == []
    assert not grpc.get_system_shared_memory_status().regions
    assert not grpc.get_cuda_shared_memory_status().regions
    for client in (http, grpc):
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()


def test_statistics_and_metrics_equal_what_was_sent(http: Any, grpc: Any, server: Any) -> None:
    def statistics() -> dict[str, Any]:
        (found,) = http.get_inference_statistics("pair")["model_stats"]
        return dict(found)

    def metric(name: str) -> float:
        text = server.get("/metrics", server.metrics)[1].decode()
        (value,) = re.findall(rf'^{name}{{model="pair",version="1"}} (\S+)', text, re.M)
        return float(value)

    before, requests = statistics(), metric("nv_inference_request_success")
    for rows in (1, 2, 3):
        http.infer("pair", ask(tritonclient.http, rows))
        grpc.infer("pair", ask(tritonclient.grpc, rows))
    after = statistics()
    assert after["inference_count"] - before["inference_count"] == 12
    assert after["execution_count"] - before["execution_count"] == 6
    assert (
        after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"]
        == 6
    )
    assert metric("nv_inference_request_success") - requests == 6
    over_grpc = grpc.get_inference_statistics("pair").model_stats[0]
    assert over_grpc.inference_count == after["inference_count"]
    assert {b["batch_size"] for b in after["batch_stats"]} >= {1, 2, 3}


def test_outputs_may_be_chosen(http: Any, grpc: Any) -> None:
    for library, client in ((tritonclient.http, http), (tritonclient.grpc, grpc)):
        wanted = [library.InferRequestedOutput("difference")]
        answer = client.infer("pair", ask(library, 1), outputs=wanted)
        assert answer.as_numpy("sum") is None
        np.testing.assert_array_equal(answer.as_numpy("difference"), np.zeros((1, 4), np.int32))


def test_a_stream_answers_every_request_and_survives_a_bad_one(grpc: Any, server: Any) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer("pair", ask(tritonclient.grpc, 1), request_id="one")
        client.async_stream_infer("nobody", ask(tritonclient.grpc, 1), request_id="two")
        client.async_stream_infer("pair", ask(tritonclient.grpc, 2), request_id="three")
        got = [answers.get(timeout=30) for _ in range(3)]
        client.stop_stream()
    assert got[0][0].get_response().id == "one"
    assert got[0][0].get_response().parameters["triton_final_response"].bool_param
    assert "nobody" in str(got[1][1])
    assert got[2][0].as_numpy("sum").shape == (2, 4)
