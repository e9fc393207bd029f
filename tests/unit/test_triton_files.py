"""Whole configurations of Triton's: of the kinds that people have, and with every field."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given
from hypothesis import strategies as some
from tests.unit.tritons import parse
from tritonclient.grpc.model_config_pb2 import ModelConfig as TritonConfig
from typer.testing import CliRunner

from headrace.cli.commands import app
from headrace.config.load import load
from headrace.config.triton.convert import convert
from headrace.config.triton.fields import paths
from headrace.config.triton.finding import passed_over
from headrace.config.triton.text import read, written
from headrace.errors import ConfigInvalid
from headrace.repository.folder import find

#: A classifier as ONNX, with labels.
CLASSIFIER = """
name: "m"
platform: "onnxruntime_onnx"
max_batch_size : 16
input [
  {
    name: "pixels"
    data_type: TYPE_FP32
    format: FORMAT_NCHW
    dims: [ 3, 224, 224 ]
  }
]
output [
  {
    name: "scores"
    data_type: TYPE_FP32
    dims: [ 1000 ]
    reshape { shape: [ 1000, 1, 1 ] }
    label_filename: "labels.txt"
  }
]
"""
#: A detector in TensorRT, two of it on each GPU, with a queue of its own.
DETECTOR = """
platform: "tensorrt_plan"  # no name: the folder's
max_batch_size: 8
input [ { name: "images", data_type: TYPE_FP32, dims: [ 3, 640, 640 ] } ]
output [ { name: "boxes" data_type: TYPE_FP32 dims: [ 100, 4 ] },
         { name: "count" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0 ] profile: "1" },
                 { count: 2 kind: KIND_GPU gpus: [ 1 ] profile: "1" } ]
version_policy: { latest: { num_versions: 1 } }
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 25000
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 30000000
    max_queue_size: 4096
  }
}
optimization { cuda { graphs: true } input_pinned_memory { enable: true } }
"""
#: A language model that answers in parts, in Triton's Python backend.
TALKER = """
name: "m"
backend: "python"
max_batch_size: 32
model_transaction_policy { decoupled: True }
input [ { name: "prompt" data_type: TYPE_STRING dims: [ 1 ] },
        { name: "temperature" data_type: TYPE_FP32 dims: [ 1 ] optional: true } ]
output [ { name: "text" data_type: TYPE_STRING dims: [ -1 ] } ]
instance_group [ { kind: KIND_MODEL } ]
parameters { key: "model_path" value: { string_value: "/models/talker" } }
response_cache { enable: true }
"""
#: A counter with a state, of sequences.
COUNTER = """
name: "m"
platform: "custom"
max_batch_size: 8
default_model_filename: "libcounter.so"
sequence_batching {
  max_sequence_idle_microseconds: 10000000
  oldest { max_candidate_sequences: 1024 max_queue_delay_microseconds: 10000 }
  control_input [ { name: "START" control [ { kind: CONTROL_SEQUENCE_START
                                              int32_false_true: [ 0, 1 ] } ] } ]
}
input [ { name: "IN" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "OUT" data_type: TYPE_INT32 dims: [ 1 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
"""


@pytest.mark.parametrize(
    ("text", "settings", "refused"),
    [
        (CLASSIFIER, {"batching": {"max_rows": 16}}, []),
        (
            DETECTOR,
            {
                "batching": {
                    "max_rows": 8,
                    "max_delay_ms": 25.0,
                    "deadline_ms": 30000.0,
                    "queue_rows": 4096,
                },
                "placement": {"replicas": {"min": 4, "max": 4}, "gpus": 0.5},
            },
            [],
        ),
        (
            TALKER,
            {
                "streams": True,
                "batching": {"max_rows": 32},
                "parameters": {"model_path": "/models/talker"},
            },
            ["input[1].optional", "instance_group", "response_cache"],
        ),
        (
            COUNTER,
            {"batching": {"max_rows": 8}, "placement": {"replicas": {"min": 2, "max": 2}}},
            ["sequence_batching"],
        ),
    ],
)
def test_what_people_have(
    tmp_path: Path, text: str, settings: dict[str, Any], refused: list[str]
) -> None:
    done = convert(parse(text), "m", backend="python", sequenced=False)
    assert done.settings == settings
    assert sorted(one.field for one in done.refused) == refused
    file = tmp_path / "model.yaml"
    file.write_text(written(done.settings))
    assert load(file).batching.max_rows == settings["batching"]["max_rows"]
    assert yaml.safe_load(file.read_text()) == settings


Route = tuple[FieldDescriptor, ...]


def routes(of: Descriptor, above: Route = ()) -> Iterator[Route]:
    """Yield the way to each field that a configuration may have."""
    for field in of.fields:
        yield (*above, field)
        below = field.message_type
        if below and below.GetOptions().map_entry:
            below = below.fields_by_name["value"].message_type
        if below:
            yield from routes(below, (*above, field))


def with_field(route: Route) -> Any:
    """Return a configuration that has this field, and what leads to it."""
    whole = here = TritonConfig()
    for field in route:
        held = getattr(here, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name
            key = "k" if isinstance(entry["key"].default_value, str) else 1
            if entry["value"].message_type:
                here = held[key]
            else:
                held[key] = value(entry["value"])
        elif field.is_repeated:
            if field.message_type:
                here = held.add()
            else:
                held.append(value(field))
        elif field.message_type:
            held.SetInParent()
            here = held
        else:
            setattr(here, field.name, value(field))
    return whole


def value(field: FieldDescriptor) -> Any:
    if field.enum_type:
        return field.enum_type.values[-1].number
    return {field.CPPTYPE_STRING: "x", field.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)


ROUTES = list(routes(TritonConfig.DESCRIPTOR))


@pytest.mark.parametrize("sequenced", [False, True])
def test_no_field_is_passed_over(sequenced: bool) -> None:
    assert len(ROUTES) > 130
    for route in ROUTES:
        config = with_field(route)
        name = ".".join(field.name for field in route)
        assert list(paths(config)), name
        for backend in ("python", "onnx", "torch"):
            done = convert(config, "m", backend=backend, sequenced=sequenced)
            assert not list(passed_over(paths(config), done.findings)), name
            unknown = [one.field for one in done.findings if one.text == "not known here"]
            assert not unknown, f"{name}: decide what becomes of it"


def test_a_field_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.config.triton import elsewhere

    monkeypatch.delitem(elsewhere.ELSEWHERE, "metric_tags")
    config = parse('max_batch_size: 1 metric_tags { key: "a" value: "b" }')
    done = convert(config, "m", backend="python")
    assert [one.field for one in done.refused] == ["metric_tags['a']"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: 'm'\n  foo: 3", r":2:3: .* has no field named \"foo\""),
        ('name: "m', r":1:7: .*missing ending quote"),
        ("max_batch_size: many", ":1:17: .*integer: many"),
        ("\n\ninput { data_type: TYPE_FOO }", ":3:20: .*no value named TYPE_FOO"),
        ("dynamic_batching {", ':1:18: Expected "}"'),
        ("{" * 5000, r"^.{0,100}:1:1: .{0,210}\.\.\.$"),
        ('name: "a" name: "b"', r':1:17: .*multiple "name" fields'),
        ("max_batch_size: 8\0", ":1:18: "),
        ("instance_group { kind: 99 }", r":1:1: instance_group\[0\].kind: there is no 99 in Kind$"),
        ("input { data_type: 77 }", r":1:1: input\[0\].data_type: there is no 77 in DataType$"),
        ("instance_group { kind: 99999999999999999999 }", ":1:1: Value out of range: 9+$"),
    ],
)
def test_what_is_no_configuration_is_told_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "config.pbtxt").write_text(text)
    with pytest.raises(ConfigInvalid, match=said):
        read(tmp_path / "config.pbtxt")


WORDS = some.sampled_from(
    'name max_batch_size input { } [ ] : "x" 1 -1 [ dims data_type TYPE_FP32 , \n \0 \\ " '
    "dynamic_batching priority_levels 18446744073709551615 true parameters key value nan 1e400 "
    "instance_group count [a.b/c] # é".split(" ")
)


@given(some.lists(WORDS, max_size=20).map(" ".join))
def test_any_text_is_converted_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.mktemp("m") / "config.pbtxt"
    file.write_text(text)
    try:
        config = read(file)
    except ConfigInvalid:
        return
    done = convert(config, "m", backend="torch")
    file.write_text(written(done.settings))
    load(file)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "m"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(CLASSIFIER)
    return folder


def test_the_command_prints_and_writes(model: Path) -> None:
    run = CliRunner()
    shown = run.invoke(app, ["convert", str(model)])
    assert (shown.exit_code, yaml.safe_load(shown.stdout)) == (0, {"batching": {"max_rows": 16}})
    assert 'the class: inputs = [Tensor("pixels", "FP32", [3, 224, 224])]' in shown.stderr
    assert "left out  output[0].label_filename" in shown.stderr
    (model / "1" / "net.pt2").touch()
    wrote = run.invoke(app, ["convert", "--write", str(model / "config.pbtxt")])
    assert (wrote.exit_code, wrote.stdout) == (0, f"wrote {model / 'model.yaml'}\n")
    (version,) = find(model.parent)
    assert version.config.inputs
    assert version.config.inputs[0].shape == (3, 224, 224)
    again = run.invoke(app, ["convert", "--write", str(model)])
    assert "is there already; nothing was written" in str(again.exception)


def test_the_command_writes_nothing_where_a_word_is_refused(model: Path) -> None:
    (model / "config.pbtxt").write_text(TALKER)
    result = CliRunner().invoke(app, ["convert", "--write", "--json", str(model)])
    assert result.exit_code == 1
    assert not (model / "model.yaml").exists()
    told = json.loads(result.stdout)
    assert told["model_yaml"]["batching"] == {"max_rows": 32}
    assert {one["field"] for one in told["fields"] if one["verdict"] == "refused"} == {
        "input[1].optional",
        "instance_group",
        "response_cache",
    }
    missing = CliRunner().invoke(app, ["convert", str(model / "1")])
    assert "name a model's folder, or its config.pbtxt" in str(missing.exception)
