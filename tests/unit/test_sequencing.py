"""What a stateful model may say of itself, what the core is told, and how it is tried."""

import json
from textwrap import dedent
from typing import Any

import headrace_core
import numpy as np
import pytest
from tests.sequences import ACCUMULATOR, CONTROLS
from tests.unit.conftest import WriteModel

from headrace.cli import checking
from headrace.config.schema import ModelConfig
from headrace.config.sequences import Sequences
from headrace.errors import ModelInvalid
from headrace.execution import sequencing, trial
from headrace.execution.opening import contract, open_model
from headrace.models import Tensor
from headrace.repository.folder import find

INPUTS = [
    Tensor("x", "FP32", [2]),
    Tensor("START", "INT32", [1]),
    Tensor("READY", "BOOL", []),
    Tensor("ID", "UINT64", [1]),
    Tensor("NAME", "BYTES", [1]),
]

REFUSED: list[tuple[dict[str, str], str]] = [
    ({"start": "BEGIN"}, "'BEGIN', which the model does not declare: its inputs are x, START"),
    ({"start": "ID"}, "'ID', which is UINT64: expected one of INT32, FP32, BOOL"),
    ({"id": "START"}, "'START', which is INT32: expected one of UINT64, INT64, BYTES"),
    ({"end": "x"}, r"'x', which has shape \[2\]: expected \[1\]"),
]


def sequences(controls: dict[str, str], **more: Any) -> Sequences:
    return Sequences.model_validate({"controls": controls, **more})


@pytest.mark.parametrize(("controls", "said"), REFUSED)
def test_controls_are_inputs_that_can_say_it(controls: dict[str, str], said: str) -> None:
    with pytest.raises(ModelInvalid, match=said):
        sequencing.check(sequences(controls), INPUTS)


def test_callers_have_something_to_send() -> None:
    only = [Tensor("START", "INT32", [1])]
    with pytest.raises(ModelInvalid, match="names all inputs"):
        sequencing.check(sequences({"start": "START"}), only)
    sequencing.check(sequences({"start": "START", "ready": "READY", "id": "NAME"}), INPUTS)
    sequencing.check(None, INPUTS)


def test_the_core_takes_what_it_is_told(write_model: WriteModel) -> None:
    yaml = f"sequences: {{strategy: direct, idle_ms: 5, max_sequences: 8, {CONTROLS}}}"
    (version,) = find(write_model(source=dedent(ACCUMULATOR), yaml=yaml))
    told = contract(version, open_model(version))
    facts = json.loads(told)
    assert [one["name"] for one in facts["inputs"]] == ["x"]
    assert facts["sequences"]["strategy"] == "direct"
    assert [one["kind"] for one in facts["sequences"]["controls"]] == ["start", "end", "ready"]
    host = headrace_core.Host(json.dumps({"socket": None, "arena_bytes": 0}))
    host.open(told)
    host.drain(1.0)
    facts["sequences"]["max_sequences"] = 65
    with pytest.raises(ValueError, match=r"more sequences\.max_sequences than"):
        headrace_core.Host(json.dumps({"socket": None})).open(json.dumps(facts))


def test_an_exported_program_keeps_no_state(write_model: WriteModel) -> None:
    tensors = "[{name: x, datatype: FP32, shape: [4]}]"
    yaml = f"sequences: {{}}\ninputs: {tensors}\noutputs: {tensors}"
    folder = write_model(yaml=yaml)
    (folder / "doubler" / "1" / "model.py").unlink()
    (folder / "doubler" / "1" / "net.pt2").write_bytes(b"")
    (version,) = find(folder)
    with pytest.raises(ModelInvalid, match="sequences are for a Python class"):
        open_model(version)


def test_a_trial_makes_each_row_a_sequence_of_one_request(write_model: WriteModel) -> None:
    (version,) = find(write_model(source=dedent(ACCUMULATOR), yaml=f"sequences: {{{CONTROLS}}}"))
    (checked,) = checking.check(version.folder.parent)
    assert not checked.error
    model = open_model(version)
    config = ModelConfig.model_validate(
        {"sequences": {"controls": {"start": "START", "end": "END", "ready": "READY"}}}
    )
    controls = sequencing.controls(config.sequences)
    given = trial.inputs(model, 3, controls=controls)
    assert {name: array.tolist() for name, array in given.items() if name != "x"} == {
        "START": [[1]] * 3,
        "END": [[1.0]] * 3,
        "READY": [[True]] * 3,
    }
    assert given["END"].dtype == np.float32


def test_control_tensors_of_ids_tell_rows_apart() -> None:
    class Named:
        inputs = INPUTS

        def example(self, rows: int) -> Any:
            return {"x": np.ones((rows, 2), np.float32)}

    controls = {"ID": "id", "NAME": "id", "START": "start", "READY": "ready"}
    given = trial.inputs(Named(), 2, controls=controls)  # type: ignore[arg-type]
    assert given["ID"].tolist() == [[1], [2]]
    assert [bytes(one) for one in given["NAME"]] == [b"1", b"2"]
    assert given["READY"].tolist() == [True, True]
