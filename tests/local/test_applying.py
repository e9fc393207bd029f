"""`headrace apply` on a server of one process that answers meanwhile."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tests.local.conftest import LocalServer, serving

MODEL = """
import time
from headrace import Model, Tensor
class Slow(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4]), Tensor("rows", "INT64", [1])]
    def load(self, context): pass
    def predict(self, batch):
        import numpy as np
        time.sleep(0.005)
        rows = np.full((batch.rows, 1), batch.rows, np.int64)
        return {"y": batch["x"] * 2, "rows": rows}
"""
CALLERS = 8


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    with serving(tmp_path, "slow", MODEL) as one:
        yield one


class Callers:
    """Ask over both protocols until they are told to stop; what was wrong is kept."""

    def __init__(self, server: LocalServer) -> None:
        self.wrong: list[str] = []
        self.largest = 0
        self._server = server
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()

    def _ask(self, at: int) -> None:
        module = tritonclient.grpc if at % 2 else tritonclient.http
        address = self._server.grpc if at % 2 else self._server.http
        given = np.full((1, 4), at, np.float32)
        with module.InferenceServerClient(address) as client:
            tensor = module.InferInput("x", [1, 4], "FP32")
            tensor.set_data_from_numpy(given)
            while not self._stop.is_set():
                try:
                    answer = client.infer("slow", [tensor])
                    self.largest = max(self.largest, int(answer.as_numpy("rows")[0, 0]))
                    if not np.array_equal(answer.as_numpy("y"), given * 2):
                        self.wrong.append(f"{at} was answered with another's rows")
                except Exception as error:
                    self.wrong.append(f"{at}: {error}")


def test_limits_change_under_load_without_a_failed_request(server: LocalServer) -> None:
    config = server.models / "slow" / "model.yaml"
    with Callers(server) as callers:
        for rows in (2, 1, 16, 3, 64, 1):
            config.write_text(f"batching: {{max_rows: {rows}, priorities: {1 + rows % 3}}}\n")
            said = server.command("apply", "slow")
            assert f" -> {rows}" in said
            assert said.endswith("(1 host)\n")
        # What waited with the limits before is through with it.
        for _ in range(CALLERS):
            server.post("slow", [[1, 2, 3, 4]])
        callers.largest = 0
        for _ in range(CALLERS):
            server.post("slow", [[1, 2, 3, 4]])
        assert callers.largest == 1
    assert callers.wrong == []
    status, refused = server.post("slow", [[1, 2, 3, 4]] * 2, rows=2)
    assert (status, refused["error"]) == (
        400,
        "[request id: <id_unknown>] inference request batch-size must be <= 1 for 'slow'",
    )
    config.write_text("batching: {max_rows: 1, split_oversize: true}\n")
    assert "batching.split_oversize false -> true" in server.command("apply")
    x = [[n] * 4 for n in range(5)]
    status, cut = server.post("slow", x, rows=5)
    assert (status, cut["outputs"][0]["shape"]) == (200, [5, 4])
    assert cut["outputs"][0]["data"] == [2 * n for n in range(5) for _ in range(4)]
    assert cut["outputs"][1]["data"] == [1] * 5, "each ran in a batch of one"
    config.write_text("batching: {max_rows: 1}\n")
    folder = str(server.models)
    shown = server.command("apply", "-f", folder, "--diff", code=1)
    assert "~ slow/1: batching.split_oversize true -> false: at once" in shown
    server.command("apply", "-f", folder)
    assert "nothing has changed" in server.command("apply")
    assert server.command("apply", "--diff") == "what runs is as the files say\n"
    labels = server.models / "slow" / "1" / "classes.txt"
    labels.write_text("cat\n")
    assert "! slow/1: files" in server.command("apply", "--diff", code=1)
    assert "slow/1: files" in server.command("apply", code=1)
    labels.unlink()
    config.write_text("placement: {lanes: 2}\n")
    assert "only when it is loaded" in server.command("apply", code=1)
    config.write_text("batching: {max_rows: none}\n")
    assert "expected a whole number" in server.command("apply", code=1)
    config.write_text("batching: {max_cost: 3, cost: [{value: z}]}\n")
    said = server.command("apply", code=1)
    assert "nothing was changed: slow/1: batching.cost names the input 'z'" in said
    assert server.post("slow", [[1, 2, 3, 4]] * 2, rows=2)[0] == 400, "nothing was changed"
    assert server.end() == 0
