"""`tokenize`: texts, their tokens, and texts that are none or too long."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.passing import through

from headrace.config.processing import Before
from headrace.errors import ModelInvalid
from headrace.execution.device.host import HostLane
from headrace.execution.elements import Elements
from headrace.execution.passage import Passage
from headrace.execution.trial import MadeUpRows, run
from headrace.models import Batch, Context, Model, Tensor
from headrace.processing.processed import Processed
from headrace.processing.text import fitting

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "water", "runs", "down", "##hill"]
PAD = {
    "strategy": "BatchLongest",
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}


class Sums(Model):
    """Keeps its tokens."""

    outputs = (Tensor("y", "INT64", [1]),)

    def __init__(self, *inputs: Tensor) -> None:
        self.inputs = inputs

    def predict(self, batch: Batch) -> Any:
        self.seen = {one.name: np.array(batch[one.name]) for one in self.inputs}
        return {"y": self.seen["input_ids"].sum(1, keepdims=True).astype(np.int64)}


def tokenizer(folder: Path, padding: Any = PAD, truncation: Any = None) -> None:
    """Write a BERT of eight words."""
    special = {
        name: {"id": name, "ids": [number], "tokens": [name]}
        for number, name in ((1, "[CLS]"), (2, "[SEP]"))
    }
    single = [
        {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
    ]
    told = {
        "version": "1.0",
        "truncation": truncation,
        "padding": padding,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": special,
        },
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: number for number, word in enumerate(WORDS)},
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(told))


def loaded(folder: Path, model: Model, **said: Any) -> Processed:
    entry = {"tokenize": {"input": "text", "max_length": 6, **said}}
    whole = Processed(model, [Before.model_validate(entry)], [])
    whole.load(Context("m", 1, folder))
    return whole


def ask(model: Model, *texts: bytes) -> dict[int, str]:
    rows = MadeUpRows(len(texts), {"text": Elements(texts, (len(texts), 1))})
    through(model, rows)
    return rows.rejected


def takes(length: int = -1, datatype: str = "INT64") -> Sums:
    return Sums(
        Tensor("input_ids", datatype, [length]), Tensor("attention_mask", datatype, [length])
    )


def test_texts_are_filled_up_to_the_longest(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    model = takes()
    whole = loaded(tmp_path, model)
    assert [str(one) for one in whole.inputs] == ["Tensor('text', 'BYTES', [1])"]
    assert not ask(whole, b"water runs downhill", b"", b"ice")
    assert model.seen["input_ids"].tolist() == [
        [1, 4, 5, 6, 7, 2],
        [1, 2, 0, 0, 0, 0],
        [1, 3, 2, 0, 0, 0],
    ]
    assert model.seen["attention_mask"].tolist() == [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
    ]
    ask(whole, b"ice")
    assert model.seen["input_ids"].tolist() == [[1, 3, 2]]


def test_what_the_file_says_of_padding_and_truncation_counts_where_nothing_is_said(
    tmp_path: Path,
) -> None:
    left = {"max_length": 128, "strategy": "LongestFirst", "stride": 0, "direction": "Left"}
    tokenizer(tmp_path, PAD | {"direction": "Left", "pad_id": 3}, left)
    model = takes()
    ask(loaded(tmp_path, model, max_length=4), b"water runs down", b"")
    assert model.seen["input_ids"].tolist() == [[1, 5, 6, 2], [3, 3, 1, 2]]
    ask(loaded(tmp_path, model, max_length=4, pad_side="right", pad_token="[PAD]"), b"water", b"")
    assert model.seen["input_ids"].tolist() == [[1, 4, 2], [1, 2, 0]]


def test_rows_may_have_few_lengths_or_one(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    model = takes()
    whole = loaded(tmp_path, model, sizes=[4, 6])
    for text, length in ((b"", 4), (b"water runs", 4), (b"water runs down", 6)):
        ask(whole, text)
        assert model.seen["input_ids"].shape == (1, length)
    fixed = takes(6, "INT32")
    ask(loaded(tmp_path, fixed, sizes=[6], datatype="INT32"), b"")
    assert fixed.seen["input_ids"].shape == (1, 6)
    assert {one.dtype.name for one in fixed.seen.values()} == {"int32"}
    with pytest.raises(ModelInvalid, match=r"preprocess makes .+\[-1\].+ but the model takes .+6"):
        loaded(tmp_path, takes(6))


@pytest.mark.parametrize(
    ("longest", "sizes", "length"),
    [(0, (), 1), (7, (), 7), (0, (4, 8), 4), (4, (4, 8), 4), (5, (4, 8), 8), (8, (4, 8), 8)],
)
def test_a_batch_has_the_least_length_that_fits(
    longest: int, sizes: tuple[int, ...], length: int
) -> None:
    assert fitting(longest, sizes) == length


def test_a_model_may_ask_for_types_and_for_no_mask(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    model = Sums(Tensor("input_ids", "INT64", [-1]), Tensor("kinds", "INT64", [-1]))
    ask(loaded(tmp_path, model, mask=None, types="kinds"), b"water", b"")
    assert model.seen["kinds"].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_what_is_no_text_or_too_long_is_rejected_alone(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    model = takes()
    whole = loaded(tmp_path, model, truncate=False, max_bytes=24)
    long = b"runs runs runs runs runs"
    rejected = ask(whole, b"water", b"\xff", b"x" * 25, long, b"runs")
    assert list(rejected) == [1, 2, 3]
    assert "input 'text' is not UTF-8" in rejected[1]
    assert rejected[2] == "input 'text' has 25 bytes: 24 at most"
    assert rejected[3] == "input 'text' has 7 tokens: 6 at most"
    assert model.seen["input_ids"][[0, 4]].tolist() == [[1, 4, 2, 0, 0, 0], [1, 5, 2, 0, 0, 0]]


def test_longer_texts_are_cut_unless_they_are_to_be_rejected(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    model = takes()
    assert not ask(loaded(tmp_path, model), b"water " * 9)
    assert model.seen["input_ids"].tolist() == [[1, 4, 4, 4, 4, 2]]


@pytest.mark.parametrize(
    ("padding", "said", "message"),
    [
        (None, {}, "does not say what rows are filled up with: write a pad_token"),
        (PAD, {"pad_token": "<pad>"}, "pad_token is '<pad>', which .+ does not have"),
        (PAD, {"max_length": 2}, "max_length is 2, but .+ adds 2 tokens to each text"),
        (PAD, {"file": "other.json"}, "other.json cannot be read as a tokenizer.json"),
        (PAD, {"file": "broken.json"}, "broken.json cannot be read as a tokenizer.json"),
        (
            PAD | {"pad_id": 1 << 31},
            {"datatype": "INT32"},
            "fills rows up with token 2147483648 of type 0, and INT32 ends at 2147483647",
        ),
    ],
)
def test_a_file_that_does_not_do_is_told_when_the_model_loads(
    tmp_path: Path, padding: Any, said: dict[str, Any], message: str
) -> None:
    tokenizer(tmp_path, padding)
    (tmp_path / "broken.json").write_text("{")
    model = takes(datatype=said.get("datatype", "INT64"))
    with pytest.raises(ModelInvalid, match=message):
        loaded(tmp_path, model, **said)


@pytest.mark.parametrize(
    ("part", "name", "why"),
    [
        ("model", "vocab", r"Missing \[UNK\] token"),
        # The library panics, which is no Exception.
        ("post_processor", "special_tokens", "no entry found"),
    ],
)
def test_a_file_that_cuts_no_text_is_told_before_a_text_comes(
    tmp_path: Path, part: str, name: str, why: str
) -> None:
    tokenizer(tmp_path)
    file = tmp_path / "tokenizer.json"
    told = json.loads(file.read_text())
    told[part][name] = {}
    file.write_text(json.dumps(told))
    with pytest.raises(ModelInvalid, match=f"cuts no text of unknown words: .*{why}"):
        loaded(tmp_path, takes(), pad_token=None)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sizes": [4, 5]}, r"sizes end at 5, but a row may have 6 tokens .+ end them at 6"),
        ({"sizes": [6, 4]}, "expected sizes that rise"),
        ({"file": "../tokenizer.json"}, "expected a file in the version's folder"),
        ({"max_length": 0}, "max_length"),
    ],
)
def test_what_cannot_be_is_told_when_model_yaml_is_read(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Before.model_validate({"tokenize": {"input": "text", "max_length": 6, **said}})


def test_a_version_warms_up_with_texts_of_its_own(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    trial = run(Passage("m/1", loaded(tmp_path, takes()), HostLane()), 3, lambda: 0.0)
    assert (trial.rows, trial.rejected) == (3, {})
