"""What Triton runs a model on, what it takes and gives, and all else, word by word."""

import re
from pathlib import Path
from typing import Any

import pytest
from tests.unit.tritons import BATCHED, TENSORS, converted, flat, found, parse
from tritonclient.grpc.model_config_pb2 import ModelConfig as TritonConfig

from headrace.config.triton.fields import paths
from headrace.config.triton.finding import Verdict, passed_over
from headrace.config.triton.sequences import sequences as of_sequences

TAKEN, DIFFERS = Verdict.TAKEN, Verdict.DIFFERS
LEFT_OUT, REFUSED = Verdict.LEFT_OUT, Verdict.REFUSED


def copies(count: int) -> dict[str, Any]:
    return {"placement.replicas.min": count, "placement.replicas.max": count}


@pytest.mark.parametrize(
    ("groups", "verdict", "settings", "said"),
    [
        ("{ kind: KIND_CPU }", TAKEN, {}, ""),
        ("{ kind: KIND_CPU count: 3 }", DIFFERS, copies(3), "a process"),
        ("{ kind: KIND_AUTO }", DIFFERS, {}, "write placement.gpus: 1"),
        ("{ kind: KIND_AUTO gpus: 0 }", DIFFERS, {"placement.gpus": 1.0}, "Ray says which"),
        ("{ kind: KIND_GPU }", DIFFERS, {"placement.gpus": 1.0}, "raise replicas"),
        (
            "{ kind: KIND_GPU count: 3 gpus: [0, 1] }",
            DIFFERS,
            {**copies(6), "placement.gpus": 0.3333},
            "smaller shares",
        ),
        (
            "{ kind: KIND_GPU count: 2 gpus: 0 }, { kind: KIND_GPU count: 2 gpus: 1 }",
            DIFFERS,
            {**copies(4), "placement.gpus": 0.5},
            "",
        ),
        ("{ kind: KIND_CPU count: 2 }, { kind: KIND_CPU }", DIFFERS, copies(3), ""),
        ("{ kind: KIND_CPU count: 1001 }", REFUSED, {}, "less than or equal to 1000"),
    ],
)
def test_instances(groups: str, verdict: Verdict, settings: dict[str, Any], said: str) -> None:
    one = found(f"{BATCHED} instance_group [ {groups} ]", "instance_group[0]")
    assert (one.verdict, flat(one)) == (verdict, settings)
    assert re.search(said, one.text)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ("{ kind: KIND_MODEL }", "leaves the devices to the model"),
        ("{ count: -1 }", "expected at least 1, not -1"),
        ("{ kind: KIND_CPU }, { kind: KIND_GPU }", "the same kind of device"),
        ("{ kind: KIND_GPU gpus: 0 }, { kind: KIND_GPU count: 2 gpus: 1 }", "as many share"),
    ],
)
def test_instances_that_are_not_of_a_kind_are_refused(groups: str, said: str) -> None:
    one = found(f"{BATCHED} instance_group [ {groups} ]", "instance_group")
    assert (one.verdict, flat(one)) == (REFUSED, {})
    assert re.search(said, one.text)


@pytest.mark.parametrize(
    ("text", "field", "verdict", "said"),
    [
        ('name: "m"', "name", TAKEN, "folder's"),
        ('name: "other"', "name", REFUSED, "rename"),
        ("model_transaction_policy {}", "model_transaction_policy", TAKEN, ""),
        ("response_cache { enable: true }", "response_cache", REFUSED, "computed"),
        ("response_cache {}", "response_cache", TAKEN, ""),
        ("version_policy { all {} }", "version_policy.all", TAKEN, "is loaded"),
        ("version_policy { latest {} }", "version_policy.latest", DIFFERS, "newest 1"),
        (
            "version_policy { latest { num_versions: 3 } }",
            "version_policy.latest",
            DIFFERS,
            "newest 3",
        ),
        ("version_policy { specific { versions: 2 } }", "version_policy.specific", REFUSED, "keep"),
        (
            'parameters { key: "EXECUTION_ENV_PATH" value { string_value: "x" } }',
            "parameters['EXECUTION_ENV_PATH']",
            REFUSED,
            "environment",
        ),
        ("optimization { cuda { graphs: true } }", "optimization", LEFT_OUT, "load"),
        ("ensemble_scheduling { step {} }", "ensemble_scheduling", REFUSED, "served as it is"),
        ("sequence_batching { oldest {} }", "sequence_batching", REFUSED, "not served"),
        (
            'input { name: "z" data_type: TYPE_FP32 dims: 4 optional: true }',
            "input[1].optional",
            REFUSED,
            "every input",
        ),
        ('input { name: "z" data_type: TYPE_FP32 dims: 0 }', "input[1]", REFUSED, "dims: 0"),
        ('input { name: "z" dims: 4 }', "input[1]", REFUSED, "not INVALID"),
        ("input { data_type: TYPE_FP32 dims: 4 }", "input[1]", REFUSED, "no name"),
        (
            'output { name: "z" data_type: TYPE_FP32 dims: [4, 1] reshape { shape: 4 } }',
            "output[1].reshape",
            LEFT_OUT,
            "the class reshapes",
        ),
        (
            'input { name: "z" data_type: TYPE_STRING dims: -1 allow_ragged_batch: true }',
            "input[1].allow_ragged_batch",
            REFUSED,
            "BYTES",
        ),
        (
            'input { name: "z" data_type: TYPE_FP32 dims: [4, -1] allow_ragged_batch: true }',
            "input[1].allow_ragged_batch",
            REFUSED,
            r"\[4, -1\]; batching.join can pad",
        ),
        (
            'batch_output { target_name: "y" source_input: "x" }',
            "batch_output[0]",
            REFUSED,
            "one ragged input",
        ),
    ],
)
def test_all_else(text: str, field: str, verdict: Verdict, said: str) -> None:
    one = found(BATCHED + text, field)
    assert (one.verdict, flat(one)) == (verdict, {})
    assert re.search(said, one.text)


def test_rows_of_different_sizes() -> None:
    text = BATCHED.replace("dims: [-1, 4]", "dims: [-1, 4] allow_ragged_batch: true") + (
        'batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "at" source_input: "x" }'
        'batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "y" source_input: "x" }'
    )
    done = converted(text)
    assert done.settings["batching"]["join"] == {"x": "ragged"}
    assert done.settings["batching"]["like"] == {"y": "x"}
    assert not done.refused
    assert "batch.offsets" in found(text, "batch_input[0]").text
    streams = text + "model_transaction_policy { decoupled: true }"
    assert found(streams, "input[0].allow_ragged_batch").verdict is LEFT_OUT


def test_what_is_answered_in_parts_and_what_load_finds() -> None:
    done = converted(
        BATCHED
        + "model_transaction_policy { decoupled: True }"
        + 'parameters { key: "a" value { string_value: "b" } } parameters { key: "c" }'
    )
    assert done.settings["streams"] is True
    assert done.settings["parameters"] == {"a": "b", "c": ""}


def test_tensors_stand_in_the_class_or_in_model_yaml() -> None:
    text = (
        'max_batch_size: 8 input { name: "t" data_type: TYPE_STRING dims: 1 } '
        'input { name: "b" data_type: TYPE_BF16 dims: [] } '
        'output { name: "y" data_type: TYPE_BOOL dims: [-1, 2] }'
    )
    of_class = converted(text)
    assert [one.line for one in of_class.inputs] == [
        'Tensor("t", "BYTES", [1])',
        'Tensor("b", "BF16", [])',
    ]
    assert "inputs" not in of_class.settings
    of_yaml = converted(text, backend="torch")
    assert of_yaml.settings["inputs"][1] == {"name": "b", "datatype": "BF16", "shape": []}
    assert of_yaml.settings["outputs"] == [{"name": "y", "datatype": "BOOL", "shape": [-1, 2]}]
    twice = converted(text.replace('"b"', '"t"'), backend="torch")
    assert [one.field for one in twice.refused] == ["input[0]", "input[1]"]
    (again,) = converted(text.replace('"b"', '"t"')).refused
    assert again.text == "'t' is the name of another one"


SEQUENCED = (
    """
max_batch_size: 8
sequence_batching {
  max_sequence_idle_microseconds: 5000000
  %s
  control_input { name: "S" control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } }
  control_input { name: "E" control { kind: CONTROL_SEQUENCE_END fp32_false_true: [0, 1] } }
  control_input { name: "R" control { kind: CONTROL_SEQUENCE_READY bool_false_true: [0, 1] } }
  control_input { name: "C" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
}
"""
    + TENSORS
)
CONTROLS = {"start": "S", "end": "E", "ready": "R", "id": "C"}


@pytest.mark.parametrize(
    ("strategy", "sequences", "left_out"),
    [
        ("", {"strategy": "direct", "max_sequences": 8}, []),
        (
            "direct { minimum_slot_utilization: 0.5 }",
            {"strategy": "direct", "max_sequences": 8},
            ["sequence_batching.direct.minimum_slot_utilization"],
        ),
        (
            "oldest { max_candidate_sequences: 4 preferred_batch_size: 2 }",
            {"strategy": "oldest", "max_sequences": 4},
            ["sequence_batching.oldest.preferred_batch_size"],
        ),
    ],
)
def test_sequences(strategy: str, sequences: dict[str, Any], left_out: list[str]) -> None:
    given = parse(SEQUENCED % strategy)
    told = list(of_sequences(given))
    got = {key: value for one in told for key, value in flat(one).items()}
    assert got == {
        "sequences.idle_ms": 5000.0,
        **{f"sequences.{key}": value for key, value in sequences.items()},
        **{f"sequences.controls.{key}": value for key, value in CONTROLS.items()},
    }
    assert [one.field for one in told if one.verdict is LEFT_OUT] == left_out
    ours = [path for path in paths(given) if path.startswith("sequence_batching")]
    assert list(passed_over(ours, told)) == []


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("int32_false_true: [0, 1]", "int32_false_true: [1, 0]", "control_input[0]", "0 and 1"),
        ("TYPE_UINT64", "TYPE_INT32", "control_input[3]", "one of UINT64, INT64, BYTES here, not"),
        ("kind: CONTROL_SEQUENCE_START", "", "", ""),
        ('name: "S"', "", "control_input[0]", "no name"),
        ('name: "E"', 'name: "S"', "control_input[1]", "another input is named 'S'"),
        ("SEQUENCE_END", "SEQUENCE_START", "control_input[1]", "another CONTROL_SEQUENCE_START"),
        ("fp32_false_true: [0, 1]", "", "control_input[1]", "expected one of int32_false_true"),
        (
            "fp32_false_true: [0, 1]",
            "fp32_false_true: [0, 1] int32_false_true: [0, 1]",
            "control_input[1]",
            "bool_false_true, got 2",
        ),
        ("%s", "iterative_sequence: true", "iterative_sequence", "streams: true and step"),
    ],
)
def test_what_sequences_cannot_do_is_refused(old: str, new: str, field: str, said: str) -> None:
    given = parse(SEQUENCED.replace(old, new).replace("%s", ""))
    told = {one.field: one.text for one in of_sequences(given) if one.verdict is REFUSED}
    assert list(told) == ([f"sequence_batching.{field}"] if field else [])
    assert all(said in text for text in told.values())


def test_control_inputs_stand_in_the_class() -> None:
    text = SEQUENCED % ""
    assert [one.line for one in converted(text, sequenced=True).inputs[1:]] == [
        'Tensor("S", "INT32", [1])',
        'Tensor("E", "FP32", [1])',
        'Tensor("R", "BOOL", [1])',
        'Tensor("C", "UINT64", [1])',
    ]
    assert len(converted(text).inputs) == 1
    one = found(text, "sequence_batching", backend="torch", sequenced=True)
    assert (one.verdict, one.text) == (REFUSED, "a file of a model keeps no state: write a class")


@pytest.mark.parametrize("below", ["", "dynamic_batching", "model_transaction_policy"])
def test_every_word_is_documented(below: str) -> None:
    of = TritonConfig.DESCRIPTOR
    of = of.fields_by_name[below].message_type if below else of
    document = (Path(__file__).parents[2] / "docs" / "triton.md").read_text()
    missing = [one.name for one in of.fields if one.name not in document]
    assert not missing
