"""What steps of numbers, sound, lists and boxes refuse, and when it is told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from tests.passing import through

from headrace.config.load import load
from headrace.config.processing import After, Before
from headrace.config.schema import ModelConfig
from headrace.errors import ConfigInvalid, ModelBroken, ModelInvalid
from headrace.execution.trial import MadeUpRows
from headrace.models import Batch, Context, Model, Tensor
from headrace.processing.catalogue import STEPS
from headrace.processing.processed import Processed

#: Step → what is written of it where nothing is wrong.
RIGHT: dict[str, dict[str, Any]] = {
    "encode_features": {
        "numbers": "n",
        "categories": "c",
        "output": "x",
        "mean": [1, 2.5],
        "std": [0.5, 4],
        "sizes": [3, 2],
        "missing": 0,
    },
    "log_mel": {
        "input": "audio",
        "output": "mel",
        "lengths": "clip",
        "rate": 16000,
        "window": 400,
        "hop": 160,
        "mels": 8,
        "frames": 6,
    },
    "pad_ragged": {"input": "list", "output": "padded", "mask": "there", "length": 4},
    "suppress_boxes": {
        "boxes": "b",
        "scores": "s",
        "classes": "k",
        "kept_boxes": "best",
        "kept_scores": "how",
        "kept_classes": "what",
        "count": "count",
        "overlap": 0.5,
        "most": 3,
    },
}
#: Step → what a model has that it stands before, or behind.
TENSORS: dict[str, list[Tensor]] = {
    "encode_features": [Tensor("x", "FP32", [7])],
    "log_mel": [Tensor("mel", "FP32", [8, 6]), Tensor("clip", "INT32", [])],
    "pad_ragged": [Tensor("padded", "FP32", [4]), Tensor("there", "INT64", [4])],
    "suppress_boxes": [
        Tensor("b", "FP32", [-1, 4]),
        Tensor("s", "FP32", [-1]),
        Tensor("k", "INT32", [-1]),
    ],
}
#: Takes a key out.
GONE: Any = object()


class Stands(Model):
    """Has tensors on one side, and returns what it was given for the other."""

    def __init__(self, step: str, tensors: list[Tensor], returned: Mapping[str, Any]) -> None:
        other = [Tensor("other", "FP32", [1])]
        behind = step == "suppress_boxes"
        self.inputs, self.outputs = (other, tensors) if behind else (tensors, other)
        self._returned = returned

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        return self._returned


def wrapped(
    step: str,
    changes: Mapping[str, Any],
    tensors: list[Tensor] | None = None,
    returned: Mapping[str, Any] | None = None,
) -> Processed:
    entry = {step: {**RIGHT[step], **changes}}
    model = Stands(step, TENSORS[step] if tensors is None else tensors, returned or {})
    if step == "suppress_boxes":
        return Processed(model, [], [After.model_validate(entry)])
    return Processed(model, [Before.model_validate(entry)], [])


def written(folder: Path, step: str, changes: Mapping[str, Any]) -> Path:
    """Write a model.yaml of one step, a key a line; the step's name is in line 2."""
    said = {name: one for name, one in {**RIGHT[step], **changes}.items() if one is not GONE}
    side = "postprocess" if step == "suppress_boxes" else "preprocess"
    lines = [f"{side}:", f"- {step}:"]
    for name, one in said.items():
        value = yaml.safe_dump(one, default_flow_style=True).partition("\n")[0]
        lines.append(f"    {name}: {value}")
    file = folder / "model.yaml"
    file.write_text("\n".join(lines))
    return file


@pytest.mark.parametrize("step", RIGHT)
def test_what_the_tables_change_is_right_without_the_change(step: str, tmp_path: Path) -> None:
    assert isinstance(load(written(tmp_path, step, {})), ModelConfig)
    wrapped(step, {}).load(Context("m", 1, tmp_path))


LEAST = "input should be greater than or equal to"
MOST = "input should be less than or equal to"
ABOVE = "expected numbers above 0"

#: Step, what is changed, the key that is pointed at (none: the step), what is said.
UNREADABLE: list[tuple[str, dict[str, Any], str | None, str]] = [
    ("encode_features", {"output": ""}, "output", "output: string should have at least 1"),
    ("encode_features", {"output": GONE}, None, "'output' is missing"),
    ("encode_features", {"mean": 1}, "mean", "mean: expected a list, not 1"),
    ("encode_features", {"mean": [1, "a"]}, "mean", "mean[1]: expected a number, not 'a'"),
    (
        "encode_features",
        {"mean": [1, float("nan")]},
        "mean",
        "mean[1]: input should be a finite",
    ),
    ("encode_features", {"mean": [1]}, None, "expected mean and std of each number, not 1 and 2"),
    ("encode_features", {"std": [1, 0]}, "std", ABOVE),
    ("encode_features", {"std": [1, -2]}, "std", ABOVE),
    ("encode_features", {"std": GONE}, None, "expected mean and std of each number, not 2 and 0"),
    ("encode_features", {"sizes": [3, 0]}, "sizes", f"sizes[1]: {LEAST} 1, not 0"),
    ("encode_features", {"sizes": GONE}, None, "expected both categories and its sizes, or"),
    ("encode_features", {"categories": GONE}, None, "expected both categories and its sizes, or"),
    ("encode_features", {"numbers": None}, None, "expected both numbers and its mean, or neither"),
    (
        "encode_features",
        dict.fromkeys(("numbers", "mean", "std", "categories", "sizes"), GONE),
        None,
        "expected numbers, categories or both",
    ),
    ("encode_features", {"missing": float("inf")}, "missing", "missing: input should be a finite"),
    ("encode_features", {"datatype": "INT8"}, "datatype", "datatype: input should be 'FP32', 'FP"),
    ("log_mel", {"samples": "INT8"}, "samples", "samples: input should be 'FP32' or 'INT16'"),
    ("log_mel", {"rate": 0}, "rate", f"rate: {LEAST} 1, not 0"),
    ("log_mel", {"rate": 16000.5}, "rate", "rate: expected a whole number, not 16000.5"),
    ("log_mel", {"window": 402}, "window", "window: input should be a multiple of 4, not 402"),
    ("log_mel", {"window": 0}, "window", f"window: {LEAST} 4, not 0"),
    ("log_mel", {"window": 2052}, "window", f"window: {MOST} 2048, not 2052"),
    ("log_mel", {"hop": 0}, "hop", f"hop: {LEAST} 1, not 0"),
    ("log_mel", {"hop": GONE}, None, "'hop' is missing"),
    ("log_mel", {"mels": 0}, "mels", f"mels: {LEAST} 1, not 0"),
    ("log_mel", {"frames": 1 << 18}, "frames", f"frames: {MOST} 131072, not 262144"),
    ("log_mel", {"top_hz": 0}, "top_hz", "top_hz: input should be greater than 0, not 0"),
    ("log_mel", {"centred": 1}, "centred", "centred: expected true or false, not 1"),
    ("log_mel", {"least": 0}, "least", "least: input should be greater than 0, not 0"),
    ("log_mel", {"least": "1e-9"}, "least", "YAML takes that for a text, write 1.0e-09"),
    ("log_mel", {"scale": float("inf")}, "scale", "scale: input should be a finite number"),
    ("log_mel", {"mel": 8}, "mel", "unknown key 'mel'; did you mean 'mels'?"),
    ("pad_ragged", {"datatype": "BYTES"}, "datatype", "datatype: input should be 'FP32', 'FP16'"),
    ("pad_ragged", {"length": 0}, "length", f"length: {LEAST} 1, not 0"),
    ("pad_ragged", {"length": GONE}, None, "'length' is missing"),
    ("pad_ragged", {"length": 1 << 21}, "length", f"length: {MOST} 1048576, not 2097152"),
    ("pad_ragged", {"width": 0}, "width", f"width: {LEAST} 1, not 0"),
    ("pad_ragged", {"value": True}, "value", "value: expected a number, not True"),
    ("pad_ragged", {"value": float("nan")}, "value", "value: input should be a finite number"),
    (
        "pad_ragged",
        {"datatype": "INT64", "value": (1 << 53) + 1},
        "value",
        "expected a number that a float has, not 9007199254740993: the nearest is 90071992547409",
    ),
    ("pad_ragged", {"pad_side": "up"}, "pad_side", "pad_side: input should be 'right' or 'left'"),
    ("pad_ragged", {"keep": "all"}, "keep", "keep: input should be 'first' or 'last', not 'all'"),
    (
        "pad_ragged",
        {"mask_datatype": "FP32"},
        "mask_datatype",
        "mask_datatype: input should be 'INT64', 'INT32' or 'BOOL'",
    ),
    ("suppress_boxes", {"boxes": ""}, "boxes", "boxes: string should have at least 1 character"),
    ("suppress_boxes", {"count": None}, "count", "count: expected a text, not None"),
    ("suppress_boxes", {"overlap": 1.5}, "overlap", f"overlap: {MOST} 1, not 1.5"),
    ("suppress_boxes", {"overlap": -1}, "overlap", f"overlap: {LEAST} 0, not -1"),
    ("suppress_boxes", {"overlap": GONE}, None, "'overlap' is missing"),
    ("suppress_boxes", {"score": float("nan")}, "score", "score: input should be a finite number"),
    ("suppress_boxes", {"most": 0}, "most", f"most: {LEAST} 1, not 0"),
    ("suppress_boxes", {"most": 2000}, "most", f"most: {MOST} 1024, not 2000"),
]


@pytest.mark.parametrize(("step", "changes", "key", "said"), UNREADABLE)
def test_what_model_yaml_cannot_say_is_told_with_its_place(
    tmp_path: Path, step: str, changes: dict[str, Any], key: str | None, said: str
) -> None:
    file = written(tmp_path, step, changes)
    with pytest.raises(ConfigInvalid) as told:
        load(file)
    (line,) = str(told.value).splitlines()
    found = line.removeprefix(f"{file}:")
    number, _, rest = found.partition(":")
    assert said in rest
    names = [one.partition(":")[0].strip(" -") for one in file.read_text().splitlines()]
    assert names[int(number) - 1] == (step if key is None else key)


#: Step, what is changed, what is said when the version loads.
IMPOSSIBLE: list[tuple[str, dict[str, Any], str]] = [
    ("encode_features", {"mean": [1, 1e39]}, r"encode_features: mean is 1e\+39: a finite number"),
    ("encode_features", {"std": [1, 1e39]}, r"encode_features: std is 1e\+39: a finite number"),
    ("encode_features", {"std": [1, 1e-40]}, r"encode_features: 1 / std is 1e\+40: a finite"),
    ("encode_features", {"missing": -1e39}, r"encode_features: missing is -1e\+39: a finite"),
    ("encode_features", {"categories": "n"}, "asks for .+'n', 'INT32'.+, and another step for"),
    ("encode_features", {"output": "y"}, "preprocess makes 'y', which is no input of the model"),
    ("encode_features", {"datatype": "FP16"}, "makes .+'FP16'.+, but the model takes .+'FP32'"),
    ("encode_features", {"sizes": [3, 3]}, r"makes .+\[8\].+, but the model takes .+\[7\]"),
    ("log_mel", {"top_hz": 9000.0}, "log_mel: top_hz is 9000.0: above 0, and 8000.0 at most"),
    ("log_mel", {"least": 1e-60}, "log_mel: least is 1e-60: a number above 0 is needed"),
    ("log_mel", {"offset": 1e39}, r"log_mel: offset is 1e\+39: a finite number is needed"),
    ("log_mel", {"lengths": "mel"}, "log_mel makes 'mel', which another step makes too"),
    ("log_mel", {"frames": 7}, r"makes .+\[8, 7\].+, but the model takes .+\[8, 6\]"),
    ("pad_ragged", {"datatype": "INT32", "value": 0.5}, "pad_ragged: value is 0.5: no int32 is"),
    ("pad_ragged", {"datatype": "INT8", "value": 200.0}, "pad_ragged: value is 200.0: no int8 is"),
    ("pad_ragged", {"datatype": "UINT8", "value": -1.0}, "pad_ragged: value is -1.0: no uint8 is"),
    ("pad_ragged", {"datatype": "BOOL", "value": 2.0}, "pad_ragged: value is 2.0: no bool is"),
    ("pad_ragged", {"datatype": "FP16", "value": 1e6}, "value is 1000000.0: no float16 is"),
    ("pad_ragged", {"mask": "padded"}, "pad_ragged makes 'padded', which another step makes too"),
    ("pad_ragged", {"width": 2}, r"makes .+\[4, 2\].+, but the model takes .+\[4\]"),
    ("suppress_boxes", {"boxes": "x"}, "suppress_boxes reads 'x', which nothing makes before it"),
    ("suppress_boxes", {"boxes": "s"}, "suppress_boxes reads boxes FP32 .+, not .+'s'"),
    ("suppress_boxes", {"classes": "s"}, "suppress_boxes reads boxes FP32 .+, not .+'b'"),
    ("suppress_boxes", {"kept_boxes": "b"}, "suppress_boxes makes 'b', which there is already"),
    ("suppress_boxes", {"count": "how"}, "suppress_boxes makes 'how', which there is already"),
]


@pytest.mark.parametrize(("step", "changes", "said"), IMPOSSIBLE)
def test_what_cannot_be_computed_or_does_not_fit_is_told_when_the_version_loads(
    step: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ModelInvalid, match=said):
        wrapped(step, changes)


@pytest.mark.parametrize(
    ("boxes", "scores", "classes"),
    [
        ((2, 5, 4), (2, 4), (2, 5)),
        ((2, 5, 4), (2, 5), (2, 6)),
        ((2, 5, 3), (2, 5), (2, 5)),
        ((5, 4), (5,), (5,)),
        ((3, 5, 4), (3, 5), (3, 5)),
    ],
)
def test_boxes_of_other_shapes_than_their_scores_are_the_models_mistake(
    boxes: tuple[int, ...], scores: tuple[int, ...], classes: tuple[int, ...]
) -> None:
    returned = {
        "b": np.zeros(boxes, np.float32),
        "s": np.zeros(scores, np.float32),
        "k": np.zeros(classes, np.int32),
    }
    whole = wrapped("suppress_boxes", {}, returned=returned)
    whole.load(Context("m", 1, Path()))
    rows = MadeUpRows(2, {"other": np.zeros((2, 1), np.float32)})
    with pytest.raises(ModelBroken, match=r"suppress_boxes reads .+ of 2 rows, but .+ returned"):
        through(whole, rows)


def test_every_entry_of_model_yaml_is_a_step_of_that_name() -> None:
    written = {
        name: get_args(field.annotation)[0]
        for side in (Before, After)
        for name, field in side.model_fields.items()
    }
    assert {STEPS[section].name: section for section in written.values()} == written
    assert len(STEPS) == len(written)
