"""A server that watches photos, callers who send them, and what is said when they change."""

import http.client
import json
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from tests.drift.photos import CHANGES, pictures
from tests.local.conftest import LocalServer

#: Different files of each kind; callers send them in any order, again and again.
FILES: Final = 1000
#: Of the Population Stability Index: what is usually called a change to look at, and a large one.
PSI: Final = (0.1, 0.25)
#: What a part has at least, for its logarithm.
LEAST_SHARE: Final = 1e-4
MODEL: Final = """
import numpy as np
from headrace import Batch, Model, Tensor

class Sizes(Model):
    inputs = [Tensor("image", "BYTES", [1])]
    outputs = [Tensor("bytes", "FP32", [1])]

    def predict(self, batch: Batch):
        sizes = [len(one) for one in batch["image"]]
        return {"bytes": np.array(sizes, np.float32)[:, None]}
"""


def write_models(models: Path, reference: int, window: int) -> Path:
    """Write a model with a version for each change."""
    for version in range(1, len(CHANGES) + 1):
        folder = models / "m" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL)
    watched = {"inputs": ["image"], "reference_rows": reference, "window_rows": window}
    yaml = {"drift": {**watched, "sample_per_second": 1000}}
    (models / "m" / "model.yaml").write_text(json.dumps(yaml))
    return models


@dataclass
class Caller:
    """Sends a version unchanged photos, and changed ones from a moment on."""

    server: LocalServer
    version: int
    change: str
    rate: float
    seed: int
    changed: bool = False
    sent: int = 0
    done: bool = False
    #: Whatever kept it from going on.
    trouble: str = ""

    def run(self) -> None:
        """Call at an even pace until told otherwise."""
        try:
            self._run()
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"

    def _run(self) -> None:
        dice = np.random.default_rng(self.seed)
        kinds = [list(islice(pictures(dice, one), FILES)) for one in ("unchanged", self.change)]
        line = http.client.HTTPConnection(self.server.http, timeout=60)
        began = time.monotonic()
        while not self.done:
            file = kinds[self.changed][dice.integers(FILES)]
            entry: dict[str, Any] = {"name": "image", "shape": [1, 1], "datatype": "BYTES"}
            entry["parameters"] = {"binary_data_size": len(file) + 4}
            head = json.dumps({"inputs": [entry]}).encode()
            body = head + len(file).to_bytes(4, "little") + file
            headers = {"Inference-Header-Content-Length": str(len(head))}
            line.request("POST", f"/v2/models/m/versions/{self.version}/infer", body, headers)
            answer = line.getresponse()
            told = answer.read()
            assert answer.status == 200, told
            self.sent += 1
            # The pace of a camera.
            pause_s = max(0.0, began + self.sent / self.rate - time.monotonic())
            time.sleep(pause_s)  # noqa: TID251


@dataclass
class Found:
    """What became of one version.

    Attributes:
        windows: that were compared, before its photos changed and since.
        alarms: the sent photos after which there was an alarm, first before the change, then since.
        by: features with an alarm.
        psi: for each threshold, windows in which a feature's index was above it, before and since.
    """

    windows: list[int] = field(default_factory=lambda: [0, 0])
    alarms: list[int | None] = field(default_factory=lambda: [None, None])
    by: list[str] = field(default_factory=list)
    psi: dict[float, list[int]] = field(default_factory=lambda: {one: [0, 0] for one in PSI})


def watch(
    server: LocalServer, callers: Sequence[Caller], quiet_windows: int, changed_windows: int
) -> list[Found]:
    """Return what is said of each caller's version; photos change after so many windows."""
    found = [Found() for _ in callers]
    before: list[Any] = [[] for _ in callers]
    changed_at = [0] * len(callers)
    while any(one.windows[1] < changed_windows for one in found):
        time.sleep(1.0)  # noqa: TID251 - looks of another process, ten seconds apart
        status, answer = server.get(f"{server.console}/api/drift/m")
        assert status == 200, answer
        versions = {one["version"]: one for one in answer["versions"]}
        for at, caller in enumerate(callers):
            assert not caller.trouble, caller.trouble
            features = versions.get(caller.version, {"features": []})["features"]
            if features == before[at]:
                continue
            before[at] = features
            _take(found[at], features, int(caller.changed), caller.sent - changed_at[at])
        if not callers[0].changed and all(one.windows[0] >= quiet_windows for one in found):
            for at, caller in enumerate(callers):
                changed_at[at], caller.changed = caller.sent, True
    return found


def _take(found: Found, features: Sequence[Any], phase: int, sent: int) -> None:
    found.windows[phase] += 1
    drifted = [one["feature"] for one in features if one["alarm"]]
    if drifted and found.alarms[phase] is None:
        found.alarms[phase], found.by = sent, drifted
    largest = max(psi(one["parts"]) for one in features)
    for threshold, counts in found.psi.items():
        counts[phase] += largest > threshold


def psi(parts: Sequence[tuple[float, float]]) -> float:
    """Return the Population Stability Index of a window and a reference, by their shares."""
    kept = [[max(LEAST_SHARE, share) for share in pair] for pair in parts]
    return sum((now - was) * math.log(now / was) for was, now in kept)


def begin(server: LocalServer, rate: float, seed: int) -> list[Caller]:
    """Return a caller for each change, at work."""
    callers = [
        Caller(server, version, change, rate, seed + version)
        for version, change in enumerate(CHANGES, start=1)
    ]
    for one in callers:
        threading.Thread(target=one.run, daemon=True).start()
    return callers
