"""Sequences of stateful models, sent by Triton's clients to `headrace serve --engine local`."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tests.integration.conftest import write_model
from tests.local.conftest import LocalServer, start
from tests.sequences import ACCUMULATOR, CONTROLS, Stream, ask, inputs, interleave, right
from tritonclient.utils import InferenceServerException

#: Of the model `few`.
IDLE_S = 1.5
PLAIN = """
    from headrace import Context, Model, Tensor

    class Plain(Model):
        inputs = [Tensor("x", "INT64", [1])]
        outputs = [Tensor("sum", "INT64", [1])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch):
            return {"sum": batch["x"]}
"""
PICTURES = """
    import numpy as np

    from headrace import Context, Model, Tensor

    class Pictures(Model):
        inputs = [Tensor("file", "BYTES", [1])]
        outputs = [Tensor("bytes", "INT64", [1])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch):
            return {"bytes": np.array([[len(one)] for one in batch["file"]])}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    models = tmp_path_factory.mktemp("models")
    direct = f"sequences: {{strategy: direct, max_sequences: 30, {CONTROLS}}}"
    write_model(models, "oldest", ACCUMULATOR, f"sequences: {{{CONTROLS}}}")
    write_model(models, "direct", ACCUMULATOR, direct)
    write_model(
        models,
        "few",
        ACCUMULATOR,
        f"sequences: {{max_sequences: 2, idle_ms: {IDLE_S * 1e3:g}, {CONTROLS}}}",
    )
    # A program that goes on with a sequence takes a while to start.
    patient = f"sequences: {{idle_ms: 60000, {CONTROLS}}}"
    write_model(models, "patient", ACCUMULATOR, patient)
    write_model(models, "plain", PLAIN)
    write_model(models, "pictures", PICTURES, "sequences: {}")
    running = start(models, tmp_path_factory.mktemp("state"))
    running.wait_ready()
    yield running
    assert running.end() == 0, running.output()


@pytest.fixture(scope="module", params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: LocalServer) -> Iterator[tuple[Any, Any]]:
    library = tritonclient.http if request.param == "http" else tritonclient.grpc
    address = server.http if request.param == "http" else server.grpc
    with library.InferenceServerClient(address) as connected:
        yield connected, library


def refusal(client: tuple[Any, Any], model: str, x: int, name: int | str = 0, **how: bool) -> str:
    connected, library = client
    with pytest.raises(InferenceServerException) as refused:
        connected.infer(model, inputs(library, x), sequence_id=name, **how)
    assert refused.value.status() in ("400", "StatusCode.INVALID_ARGUMENT"), refused.value
    return str(refused.value)


@pytest.mark.parametrize("model", ["oldest", "direct"])
def test_thirty_sequences_on_one_stream_are_each_answered_in_order(
    server: LocalServer, model: str
) -> None:
    names = range(1, 31)
    sums, rows = interleave(server.grpc, model, names, 20)
    assert sums == right(names, 20)
    assert max(rows) <= 30
    assert sum(rows) / len(rows) > 2, "they share batches"


@pytest.mark.parametrize("model", ["oldest", "direct"])
@pytest.mark.parametrize("name", [7, "seven"])
def test_a_sequence_begins_goes_on_and_ends(
    client: tuple[Any, Any], model: str, name: int | str
) -> None:
    missing = (
        f"inference request for sequence {name} to model '{model}' must specify the START flag"
    )
    assert missing in refusal(client, model, 1, name)
    assert ask(*client, model, 1, name, sequence_start=True) == 1
    assert ask(*client, model, 2, name) == 3
    assert ask(*client, model, 10, name, sequence_start=True) == 10, "it begins anew"
    assert ask(*client, model, 5, name, sequence_end=True) == 15
    assert missing in refusal(client, model, 1, name)
    assert ask(*client, model, 4, name, sequence_start=True, sequence_end=True) == 4
    assert missing in refusal(client, model, 1, name)


def test_what_is_no_request_of_a_sequence_is_told_so(client: tuple[Any, Any]) -> None:
    wanted = (
        "inference request to model 'oldest' must specify a non-zero or non-empty correlation ID"
    )
    assert wanted in refusal(client, "oldest", 1)
    connected, library = client
    tensor = library.InferInput("x", [2, 1], "INT64")
    tensor.set_data_from_numpy(np.ones((2, 1), np.int64))
    with pytest.raises(InferenceServerException, match="must specify batch-size 1 due to"):
        connected.infer("oldest", [tensor], sequence_id=3, sequence_start=True)


def test_a_model_without_sequences_does_not_look_at_them(client: tuple[Any, Any]) -> None:
    assert ask(*client, "plain", 1, 7) == 1


def test_a_request_that_fails_leaves_its_sequence_as_it_is(client: tuple[Any, Any]) -> None:
    assert ask(*client, "oldest", 1, 9, sequence_start=True) == 1
    connected, library = client
    with pytest.raises(InferenceServerException, match="the number of the beast"):
        connected.infer("oldest", inputs(library, 666), sequence_id=9)
    assert ask(*client, "oldest", 1, 9, sequence_end=True) == 668, "the model had counted it"


def test_whoever_finds_no_slot_waits_for_one(server: LocalServer) -> None:
    sums: dict[int, list[int]] = {}

    def send(name: int) -> None:
        with tritonclient.grpc.InferenceServerClient(server.grpc) as client:
            sums[name] = [
                ask(
                    client,
                    tritonclient.grpc,
                    "few",
                    name,
                    name,
                    sequence_start=step == 0,
                    sequence_end=step == 4,
                )
                for step in range(5)
            ]

    callers = [threading.Thread(target=send, args=(name,)) for name in range(1, 13)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(30)
    assert sums == {name: [name * step for step in range(1, 6)] for name in range(1, 13)}


def test_a_sequence_that_asks_nothing_is_forgotten_and_what_was_kept_of_it(
    server: LocalServer,
) -> None:
    with tritonclient.grpc.InferenceServerClient(server.grpc) as client:

        def kept(name: int, **how: bool) -> int:
            tensors = inputs(tritonclient.grpc, 1)
            answer = client.infer("few", tensors, sequence_id=name, **how)
            count = answer.as_numpy("kept")
            assert count is not None
            return int(count.item())

        before = time.monotonic()
        assert [kept(name, sequence_start=True) for name in (100, 101)] == [1, 2]
        # Both slots are taken, by sequences that never end: nobody but a timer makes room.
        kept(102, sequence_start=True, sequence_end=True)
        assert time.monotonic() - before >= IDLE_S * 0.9
        # What was kept is dropped by the thread that forgets, which the next batch does not wait
        # for.
        while (count := kept(103, sequence_start=True, sequence_end=True)) != 1:
            assert time.monotonic() - before < 30, f"{count} are still kept"
        with pytest.raises(InferenceServerException, match="must specify the START flag"):
            kept(100)


def test_tools_see_that_it_has_sequences(client: tuple[Any, Any]) -> None:
    connected, library = client

    def config(model: str) -> Any:
        if library is tritonclient.http:
            return connected.get_model_config(model)
        return connected.get_model_config(model, as_json=True)["config"]

    batching = config("few")["sequence_batching"]
    assert int(batching["max_sequence_idle_microseconds"]) == IDLE_S * 1e6
    assert batching["oldest"]["max_candidate_sequences"] == 2
    assert "direct" in config("direct")["sequence_batching"]
    assert "dynamic_batching" not in config("few")
    assert "sequence_batching" not in config("plain")
    assert "sequence" in json.dumps(
        connected.get_server_metadata()
        if library is tritonclient.http
        else connected.get_server_metadata(as_json=True)
    )
    (start, *_), names = batching["control_input"], [one["name"] for one in config("few")["input"]]
    assert (start["name"], start["control"][0]["int32_false_true"]) == ("START", [0, 1])
    assert names == ["x"], "callers send no controls"


def test_what_the_greeting_shows_is_answered(server: LocalServer) -> None:
    shown = next(line for line in server.output().splitlines() if line.startswith("  curl"))
    told = subprocess.run(["bash", "-c", shown], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout)["outputs"], shown


def test_infer_sends_a_picture_with_a_whole_sequence(server: LocalServer, tmp_path: Path) -> None:
    file = tmp_path / "cat.webp"
    file.write_bytes(bytes(range(256)) * 3)
    (output,) = json.loads(server.command("infer", "pictures", str(file), "--json"))["outputs"]
    assert output["data"] == [768]
    line = server.command("infer", "pictures", str(file), "--show", "curl")
    told = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(told.stdout)["outputs"] == [output]


def test_infer_sends_a_whole_sequence_or_the_parameters_of_a_file(
    server: LocalServer, tmp_path: Path
) -> None:
    assert json.loads(server.command("infer", "patient", "--json"))["outputs"]
    file = tmp_path / "request.json"

    def sent(*values: int, **parameters: Any) -> list[str]:
        tensor = {"name": "x", "datatype": "INT64", "shape": [1, 1], "data": [*values]}
        file.write_text(json.dumps({"inputs": [tensor], "parameters": parameters}))
        return ["infer", "patient", str(file)]

    def total(*command: str) -> Any:
        return json.loads(server.command(*command, "--json"))["outputs"][0]["data"]

    assert total(*sent(4, sequence_id=77, sequence_start=True)) == [4]
    assert total(*sent(5, sequence_id=77)) == [9]
    for show in ("curl", "python"):
        last = sent(6, sequence_id=77, sequence_end=True)
        shown = server.command(*last, "--show", show)
        program = ["bash", "-c", shown] if show == "curl" else [sys.executable, "-c", shown]
        told = subprocess.run(program, capture_output=True, text=True, check=False)
        assert "15" in told.stdout, (shown, told)
        assert total(*sent(9, sequence_id=77, sequence_start=True)) == [9]
    # Or the server's end waits for it.
    assert total(*sent(1, sequence_id=77, sequence_end=True)) == [10]


def test_a_server_that_ends_lets_sequences_end(
    serve: Callable[..., LocalServer], tmp_path: Path
) -> None:
    write_model(
        tmp_path / "models", "long", ACCUMULATOR, f"sequences: {{idle_ms: 60000, {CONTROLS}}}"
    )
    server = serve(tmp_path / "models")
    server.wait_ready()
    stream = Stream(server.grpc)
    stream.send("long", 1, 7, sequence_start=True)
    assert stream.answers(1)[0][1] is None
    server.process.send_signal(signal.SIGTERM)

    def ready() -> bool:
        return server.get(f"http://{server.http}/v2/health/ready")[0] == 200

    while ready():
        time.sleep(0.01)  # noqa: TID251 - waits for another process
    stream.send("long", 1, 8, sequence_start=True)
    stream.send("long", 2, 7)
    stream.send("long", 3, 7, sequence_end=True)
    (_, refused), *answers = stream.answers(3)
    assert "Server exiting" in str(refused)
    assert [answer.as_numpy("sum").item() for answer, _ in answers] == [3, 6]
    assert server.process.wait(30) == 0, server.output()
    stream.close()
