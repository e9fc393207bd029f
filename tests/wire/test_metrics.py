"""The scrape and the statistics say what the clients did, no more and no less."""

import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

REASONS = ("REJECTED", "CANCELED", "BACKEND", "OTHER")
HISTOGRAMS = ("request_duration_seconds", "queue_duration_seconds", "compute_duration_seconds")


def scrape(server: Any, model: str = "pair") -> Counter[str]:
    """Numbers of one model's version 1: name, and for failures the reason or kind."""
    status, text = server.get("/metrics", server.metrics)
    assert status == 200
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = dict(sample.labels)
            if labels.pop("model", None) == model:
                assert labels.pop("version") == "1"
                # The parser puts a _total behind every counter, Triton's too.
                key = " ".join([sample.name.removesuffix("_total"), *labels.values()])
                assert key not in found, f"{key} comes twice"
                found[key] = int(sample.value)
    return found


def statistics(grpc: tritonclient.grpc.InferenceServerClient) -> Any:
    (row,) = grpc.get_inference_statistics("pair", "1").model_stats
    return row


def ask(client: Any, of: Any, rows: int, value: int = 1) -> None:
    inputs = []
    for name in ("a", "b"):
        tensor = of.InferInput(name, [rows, 4], "INT32")
        tensor.set_data_from_numpy(np.full((rows, 4), value, np.int32))
        inputs.append(tensor)
    client.infer("pair", inputs)


def test_the_scrape_counts_what_the_clients_sent(
    server: Any,
    http: tritonclient.http.InferenceServerClient,
    grpc: tritonclient.grpc.InferenceServerClient,
) -> None:
    before, told_before = scrape(server), statistics(grpc)
    for rows in (1, 2, 5):
        ask(http, tritonclient.http, rows)
        ask(grpc, tritonclient.grpc, rows)
    for client, of in ((http, tritonclient.http), (grpc, tritonclient.grpc)):
        with pytest.raises(InferenceServerException, match="number of the beast"):
            ask(client, of, 1, value=666)
        with pytest.raises(InferenceServerException, match="batch-size must be <= 8"):
            ask(client, of, 9)

    counted, told = scrape(server), statistics(grpc)
    counted.subtract(before)
    assert counted["nv_inference_request_success"] == 6
    assert counted["nv_inference_count"] == 16
    assert counted["nv_inference_exec_count"] == 8
    assert counted["headrace_executions_failed"] == 2
    reasons = {reason: counted[f"nv_inference_request_failure {reason}"] for reason in REASONS}
    assert reasons == {"REJECTED": 0, "CANCELED": 0, "BACKEND": 2, "OTHER": 2}
    assert counted["headrace_request_failures model_failed"] == 2
    assert counted["nv_inference_pending_request_count"] == 0
    for name, observed in zip(HISTOGRAMS, (6, 6, 8), strict=True):
        assert counted[f"headrace_{name}_count"] == observed
        assert counted[f"headrace_{name}_bucket +Inf"] == observed
    assert counted["headrace_batch_rows_sum"] == 18
    assert counted["headrace_batch_rows_bucket 1"] == 4

    assert told.inference_count - told_before.inference_count == 16
    assert told.execution_count - told_before.execution_count == 8
    now, then = told.inference_stats, told_before.inference_stats
    for span in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
        assert getattr(now, span).count - getattr(then, span).count == 6
    assert now.fail.count - then.fail.count == 4
    assert now.success.ns // 1000 == scrape(server)["nv_inference_request_duration_us"]
    sizes = {batch.batch_size: batch.compute_infer.count for batch in told.batch_stats}
    assert sizes.keys() >= {1, 2, 5}
    assert sum(sizes.values()) == told.execution_count


def test_both_protocols_tell_the_same_statistics(
    server: Any, grpc: tritonclient.grpc.InferenceServerClient
) -> None:
    status, body = server.get("/v2/models/pair/stats")
    assert status == 200
    (over_http,) = json.loads(body)["model_stats"]
    over_grpc = statistics(grpc)
    for key in ("inference_count", "execution_count", "last_inference"):
        assert int(over_http[key]) == getattr(over_grpc, key)
    for key, span in over_http["inference_stats"].items():
        theirs = getattr(over_grpc.inference_stats, key)
        assert (int(span["count"]), int(span["ns"])) == (theirs.count, theirs.ns)


def test_a_version_is_on_the_page_before_its_first_request(server: Any) -> None:
    page = scrape(server, "echo_bool")
    assert {f"nv_inference_request_failure {reason}" for reason in REASONS} <= page.keys()
    assert "nv_inference_request_success" in page


def test_the_page_is_read_and_nothing_else_is_there(server: Any) -> None:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=10) as reply:
        kind = reply.headers["Content-Type"]
    assert kind == "text/plain; version=0.0.4; charset=utf-8"
    assert server.get("/other", server.metrics) == (200, b"")
    request = urllib.request.Request(f"http://{server.metrics}/metrics", b"", method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=10)
    with caught.value as reply:
        assert reply.code == 405
