"""Ensembles as their files have them: what the core is told, and what is refused before that."""

from pathlib import Path
from typing import Any

import pytest
from tests.unit.tritons import parse

from headrace.cli.checking import lines, run
from headrace.config import ensemble
from headrace.config.rollouts import RolloutPlan
from headrace.config.triton import ensembles
from headrace.control.labelled import may_be_labelled
from headrace.errors import ConfigInvalid, HeadraceError
from headrace.execution.unhosted import read
from headrace.repository.changed import changed
from headrace.repository.folder import find

WRITTEN = """
inputs: [{name: a, datatype: FP32, shape: [4]}]
outputs: [{name: b, datatype: FP32, shape: [4]}]
max_rows: 8
steps:
- {model: double, inputs: {x: a}, outputs: {y: t}}
- {model: add, version: 2, inputs: {x: t}, outputs: {y: b}}
"""
TOLD: dict[str, Any] = {
    "inputs": [{"name": "a", "datatype": "FP32", "shape": [4]}],
    "outputs": [{"name": "b", "datatype": "FP32", "shape": [4]}],
    "max_rows": 8,
    "steps": [
        {"model": "double", "version": None, "inputs": {"x": "a"}, "outputs": {"y": "t"}},
        {"model": "add", "version": 2, "inputs": {"x": "t"}, "outputs": {"y": "b"}},
    ],
}
TRITONS = """
platform: "ensemble"
max_batch_size: 8
input { name: "a" data_type: TYPE_FP32 dims: 4 }
output { name: "b" data_type: TYPE_FP32 dims: 4 label_filename: "names" }
ensemble_scheduling {
  step {
    model_name: "double" model_version: -1
    input_map { key: "x" value: "a" } output_map { key: "y" value: "t" }
  }
  step {
    model_name: "add" model_version: 2
    input_map { key: "x" value: "t" } output_map { key: "y" value: "b" }
  }
}
"""


def own(models: Path, text: str = WRITTEN) -> Path:
    version = models / "m" / "1"
    version.mkdir(parents=True)
    (version / "ensemble.yaml").write_text(text)
    return models


def tritons(models: Path, text: str = TRITONS, *numbers: int) -> Path:
    for number in numbers or (1,):
        (models / "m" / str(number)).mkdir(parents=True)
    (models / "m" / "config.pbtxt").write_text(text)
    return models


def test_both_files_say_the_same(tmp_path: Path) -> None:
    (ours,) = find(own(tmp_path / "ours"))
    (theirs,) = find(tritons(tmp_path / "theirs"))
    assert (ours.backend, theirs.backend) == ("ensemble", "triton_ensemble")
    assert not ours.is_hosted
    assert not theirs.is_hosted
    for version in (ours, theirs):
        told = read(version)
        assert told.settings == {"model": "m", "version": 1, **TOLD}
        assert changed([version], "") == []
    assert read(ours).digest != read(theirs).digest


def test_versions_are_those_that_the_policy_chooses(tmp_path: Path) -> None:
    found = find(tritons(tmp_path, TRITONS, 1, 2, 3))
    assert [one.number for one in found] == [3]
    assert found[0].config.versions.on_new == "swap"
    (tmp_path / "m" / "config.pbtxt").write_text(TRITONS + "version_policy { all {} }")
    assert [one.number for one in find(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ""),
        ("name: 'other'", "name: a model's name is its folder's, 'm'"),
        ("model_transaction_policy { decoupled: true }", "decoupled: an ensemble gives"),
        ("response_cache { enable: true }", "response_cache: every request is computed"),
        ("response_cache { enable: false }", ""),
        ("instance_group { count: 2 }", "instance_group: the models of an ensemble say so"),
        ("batch_input { kind: BATCH_ELEMENT_COUNT }", "batch_input: the models of an ensemble"),
        (
            'input { name: "c" data_type: TYPE_FP32 dims: 4 optional: true }',
            "input[1].optional: not known here, of an ensemble",
        ),
        ('output { name: "c" data_type: TYPE_FP32 dims: 4 reshape {} }', "output[1].reshape: not"),
        ('output { name: "c" dims: 4 }', "outputs.1.datatype: 'INVALID' is not one of"),
        ('parameters { key: "x" value { string_value: "y" } }', ""),
    ],
)
def test_what_is_not_there_is_refused_by_its_name(text: str, said: str) -> None:
    got, wrong = ensembles.read(parse(TRITONS + text), "m")
    assert (said in wrong) if said else (not wrong and got is not None)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ('model_name: "a" model_version: -2', "model_version: expected a version, or -1, not -2"),
        ('model_name: "a"', "model_version: expected a version, or -1, not 0"),
        ('model_name: "a" model_namespace: "n"', "model_namespace: a model is known by its name"),
        ("model_version: -1", "steps.2.model: "),
    ],
)
def test_a_step_names_a_model_and_a_version(step: str, said: str) -> None:
    text = TRITONS.rstrip().removesuffix("}") + f"step {{ {step} }} }}"
    assert said in ensembles.read(parse(text), "m")[1]


def test_a_platform_alone_is_no_ensemble(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"config\.pbtxt: platform: an ensemble has"):
        find(tritons(tmp_path, 'platform: "ensemble"'))


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (WRITTEN.replace("max_rows: 8", "max_rows: -1"), r"4:1: max_rows"),
        (WRITTEN.replace("FP32", "FP8"), r"2:\d+: .*'FP8' is not one of"),
        (WRITTEN.replace("version: 2", "version: 0"), r"7:\d+: "),
        (WRITTEN.replace("outputs: {y: b}", "to: {y: b}"), r"7:\d+: "),
    ],
)
def test_a_mistake_is_told_by_its_place(tmp_path: Path, given: str, place: str) -> None:
    file = own(tmp_path, given) / "m" / "1" / "ensemble.yaml"
    with pytest.raises(ConfigInvalid, match=place):
        ensemble.load(file)


def test_it_is_checked_without_its_models(tmp_path: Path) -> None:
    (version,) = find(own(tmp_path))
    assert list(lines(run(version, 1))) == ["m/1: runs by way of add, double, which was not asked"]
    (tmp_path / "m" / "1" / "ensemble.yaml").write_text("steps: 1")
    (told, *_) = list(lines(run(version, 1)))
    assert told == "m/1: FAILED to load"


def test_the_core_says_what_does_not_hold_together() -> None:
    from headrace_core import Gateway

    gateway = Gateway("{}")
    with pytest.raises(ValueError, match="the gateway is not started"):
        gateway.compose(_json(TOLD))
    cycle: dict[str, Any] = {**TOLD, "steps": [{**TOLD["steps"][0], "inputs": {"x": "t"}}]}
    with pytest.raises(ValueError, match="output 'b' is made by no step"):
        gateway.compose(_json(cycle))


def _json(told: dict[str, Any]) -> str:
    import json

    return json.dumps({"model": "m", "version": 1, **told})


def test_its_answers_have_no_ids(tmp_path: Path) -> None:
    (version,) = find(own(tmp_path))
    plan = RolloutPlan.model_validate({"judge": {"accuracy": {}}})
    with pytest.raises(HeadraceError, match="no host runs m/1"):
        may_be_labelled(plan, version)
