"""A server of two versions, callers, and labels of what they were answered, in any order.

Most labels are genuine. Of each hundred one is sent twice, one is of a model that there is not, one
has an id that was changed, and one comes too late; all of them are shuffled.
"""

import http.client
import json
import random
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import Request

from tests.local.conftest import LocalServer

from headrace.console.sources import CLIENT
from headrace.control.store import FILE
from headrace.feedback.prediction import read, written

SEGMENTS: Final = ("de", "fr", "")
CALLERS: Final = 4
#: Of the labels, of each kind of mishap.
ONE_IN: Final = 100
SAMPLED_PERCENT: Final = 80
#: Of a model that answers what it gets, and of one that is wrong about some.
MODEL: Final = """
import numpy as np
from headrace import Batch, Model, Tensor

class Scores(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("scores", "FP32", [4])]

    def predict(self, batch: Batch):
        x = batch["x"]
        return {{"scores": {scores}}}
"""
SCORES: Final = {1: "x", 2: "np.where(x[:, :1] > 0.8, np.roll(x, 1, axis=1), x)"}


@dataclass(frozen=True)
class Answered:
    """One request: who answered what, and what would have been right."""

    prediction_id: str | None
    version: int
    is_right: bool
    label: int
    segment: str


@dataclass
class Told:
    """What the server should say of labels, and says of them."""

    expected: dict[str, Any]
    outcomes: dict[str, int]
    shown: dict[str, Any]
    #: Of the database with all that is beside it.
    disk_bytes: int
    seconds: float


def write_models(models: Path) -> Path:
    """Write the model `m` with its two versions."""
    for version, scores in SCORES.items():
        folder = models / "m" / str(version)
        folder.mkdir(parents=True)
        (folder / "model.py").write_text(MODEL.format(scores=scores))
    yaml = f"feedback: {{sample_percent: {SAMPLED_PERCENT}}}\nbatching: {{max_rows: 64}}\n"
    (models / "m" / "model.yaml").write_text(yaml)
    return models


def halve(server: LocalServer) -> None:
    """Have both versions answer."""
    query = urlencode({"model": "m", "shares": "1=50,2=50"})
    url = f"{server.console}/api/split?{query}"
    status, answer = server.send(Request(url, b"", {CLIENT: "test"}))
    assert status == 200, answer


def call(server: LocalServer, requests: int, seed: int) -> list[Answered]:
    """Return what so many requests were answered, by whichever version had them."""
    parts = [requests // CALLERS + (at < requests % CALLERS) for at in range(CALLERS)]
    with ThreadPoolExecutor(CALLERS) as pool:
        seeds = range(seed, seed + CALLERS)
        found = pool.map(lambda part: list(_call(server, *part)), zip(parts, seeds, strict=True))
        return [one for part in found for one in part]


def _call(server: LocalServer, requests: int, seed: int) -> Iterator[Answered]:
    dice = random.Random(seed)
    line = http.client.HTTPConnection(server.http, timeout=60)
    for at in range(requests):
        x = [round(dice.random(), 3) for _ in range(4)]
        entry = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": x}
        line.request("POST", "/v2/models/m/infer", json.dumps({"inputs": [entry]}))
        answer = line.getresponse()
        body = json.loads(answer.read())
        assert answer.status == 200, body
        scores = body["outputs"][0]["data"]
        right = x.index(max(x))
        yield Answered(
            answer.headers["x-headrace-prediction-id"],
            int(answer.headers["x-headrace-version"]),
            scores.index(max(scores)) == right,
            right,
            SEGMENTS[at % len(SEGMENTS)],
        )
    line.close()


def label(server: LocalServer, answered: list[Answered], seed: int, url: str = "") -> Told:
    """Send labels of all that has an id, and others; return what came of them.

    ``url``: where to, if not to the console.
    """
    sampled = [one for one in answered if one.prediction_id is not None]
    key = key_of(server.state)
    lines = [_line(one, one.prediction_id or "") for one in sampled]
    some = max(1, len(sampled) // ONE_IN)
    dice = random.Random(seed)
    for one in dice.sample(sampled, some):
        text = one.prediction_id or ""
        prediction = read(text, key)
        late = replace(prediction, made_s=prediction.made_s - 80 * 3600, nonce=prediction.nonce ^ 1)
        at = dice.randrange(len(text) - 1)
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        lines += [
            _line(one, text),
            _line(one, written(replace(prediction, model="nobody"), key)),
            _line(one, changed),
            _line(one, written(late, key)),
        ]
    dice.shuffle(lines)
    file = server.state / "labels.jsonl"
    file.write_text("\n".join(lines))
    began = time.monotonic()
    to = ("--url", url or server.console)
    said = server.command("feedback", "send", str(file), "--json", *to, code=1)
    outcomes = json.loads(said.splitlines()[0])
    seconds = time.monotonic() - began
    del outcomes["first_line"]
    status, shown = server.get(f"{server.console}/api/feedback/m")
    assert status == 200, shown
    disk = sum(one.stat().st_size for one in server.state.glob(f"{FILE}*"))
    expected = {
        "outcomes": {
            "joined": len(sampled),
            "twice": some,
            "late": some,
            "unknown": some,
            "forged": some,
            "unfit": 0,
        },
        "arms": {
            version: _arm([one for one in sampled if one.version == version]) for version in SCORES
        },
    }
    return Told(expected, outcomes, shown, disk, seconds)


def arms(shown: dict[str, Any]) -> dict[int, Any]:
    """Return what is shown of each version, as `Told.expected` has it."""
    return {
        one["version"]: {
            "rows": one["rows"],
            "right": one["right"],
            "segments": {name: part["right"] for name, part in one["segments"].items()},
        }
        for one in shown["versions"]
    }


def _arm(mine: list[Answered]) -> dict[str, Any]:
    return {
        "rows": len(mine),
        "right": sum(one.is_right for one in mine),
        "segments": {
            name: sum(one.is_right for one in mine if one.segment == name)
            for name in SEGMENTS
            if name
        },
    }


def _line(one: Answered, prediction_id: str) -> str:
    return json.dumps({"prediction_id": prediction_id, "label": one.label, "segment": one.segment})


def key_of(state: Path) -> bytes:
    """Return what only the server and who may read its state folder know."""
    connection = sqlite3.connect(state / FILE)
    try:
        (key,) = connection.execute("SELECT key FROM prediction_key").fetchone()
    finally:
        connection.close()
    return bytes(key)
