"""One CPU budget over the processes of a server on Ray."""

import os
from pathlib import Path
from typing import Any

from tests.integration.conftest import Serve, write_model

#: Answers with what libraries are told in its process: as it is imported, and while it runs.
ASKS = """
    import os
    import numpy as np
    from headrace import Batch, Model, Tensor

    IMPORTED = int(os.environ["OMP_NUM_THREADS"])

    class Asks(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [2])]

        def predict(self, batch: Batch):
            told = [IMPORTED, int(os.environ["RAYON_NUM_THREADS"])]
            return {"y": np.array([told] * batch.rows, np.float32)}
"""


def test_each_host_has_the_threads_of_its_version(
    serve: Serve, tmp_path: Path, monkeypatch: Any
) -> None:
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    write_model(tmp_path / "models", "own", ASKS, "placement: {threads: 5}\n")
    write_model(tmp_path / "models", "shares", ASKS)
    run = serve(tmp_path / "models")
    status = run.status()
    assert 1 <= status["cpus"] <= len(os.sched_getaffinity(0))
    share = run.version("shares")["threads"]
    assert (run.version("own")["threads"], share) == (
        5,
        max(1, status["cpus"] - status["io_threads"] - 5),
    )
    for model, count in (("own", 5), ("shares", share)):
        assert run.infer(model)[1]["outputs"][0]["data"] == [count, count]
    assert "own/1: ready, " in run.said()
    assert "; 1 lane of 5 threads\n" in run.said()
    assert f"of {status['cpus']} CPU" in run.said()
    # Ray makes a process for each CPU that it knows of: one or two may come too late to be of use.
    assert len(run.named("ray::IDLE")) <= 2
