"""Versions that answer in parts: what their classes and their model.yaml have to say."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from headrace import Context
from headrace.backends.python_class import make
from headrace.cli import checking, template
from headrace.errors import ModelInvalid
from headrace.execution.rehearsal import MadeUpSequence
from headrace.execution.stepping import stepping
from headrace.repository.folder import find

MODEL = """
from headrace import Model, Tensor
class One(Model):
    inputs = [Tensor("x", "FP32", [1])]
    outputs = [Tensor("y", "FP32", [1])]
    def load(self, context): ...
"""


@pytest.mark.parametrize(
    ("ways", "streams", "said"),
    [
        ("predict", False, None),
        ("predict step", False, None),
        ("step", False, "defines step.., which answers in parts: write `streams: true`"),
        ("stream step", False, r"defines stream\(\) and step\(\), which"),
        ("", False, r"does not define predict\(\)"),
        ("stream", True, None),
        ("step predict", True, None),
        ("predict", True, r"defines predict\(\), and its model.yaml says `streams: true`"),
        ("", True, "defines none of them, and its model.yaml says"),
        ("stream step", True, r"defines stream\(\) and step\(\), and its"),
    ],
)
def test_a_class_answers_in_one_way(ways: str, streams: bool, said: str | None) -> None:
    module = ModuleType("written")
    module.__dict__["__name__"] = "written"
    source = MODEL + "".join(f"    def {way}(self, one): ...\n" for way in ways.split())
    exec(source, module.__dict__)
    if said is None:
        assert make(module, Path("model.py"), streams=streams)
    else:
        with pytest.raises(ModelInvalid, match=said):
            make(module, Path("model.py"), streams=streams)


@pytest.mark.parametrize("body", ["yield 1", "..."])
def test_a_stream_is_a_plain_generator(body: str) -> None:
    module = ModuleType("written")
    module.__dict__["__name__"] = "written"
    exec(MODEL + f"    async def stream(self, batch): {body}\n", module.__dict__)
    said = r"One.stream\(\) is `async def`: expected a plain generator, for it has a thread"
    with pytest.raises(ModelInvalid, match=said):
        make(module, Path("model.py"), streams=True)


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        ("{elements: x}", ""),
        ("{value: n}", ""),
        ("{value: x}", "names the input 'x', which is FP32: only integers"),
        (
            "{bytes: z}",
            "names the input 'z', which the model does not declare: its inputs are x, n",
        ),
    ],
)
def test_a_cost_counts_what_there_is(
    write_model: Callable[..., Path], cost: str, said: str
) -> None:
    source = MODEL.replace("[1])]\n    out", '[1]), Tensor("n", "UINT8", [])]\n    out')
    source += '    def predict(self, batch): return {"y": batch["x"]}\n'
    models = write_model(source=source, yaml=f"batching: {{max_cost: 9, cost: [{cost}]}}")
    (checked,) = checking.check(models)
    assert said in checked.error
    assert bool(said) == bool(checked.error)


def test_the_template_that_answers_in_parts_works(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    template.write(folder, streams=True)
    (checked,) = checking.check(folder)
    assert not checked.error
    assert {(one.steps, one.parts // one.rows) for one in checked.trials} == {(5, 4)}
    (version,) = find(folder)
    module: dict[str, Any] = {"__name__": "written"}
    exec((folder / "1" / "model.py").read_text(), module)
    model = module["Hello"]()
    model.load(Context("hello", 1, folder))
    given = {"prompt": np.array([[3, 4]]), "max_tokens": np.array([[2]])}
    caller = MadeUpSequence(1, given, model.outputs)
    at_work = stepping(model, "cpu", lambda core, error: None)
    at_work.join(caller)
    for _ in range(3):
        at_work.advance()
    assert caller.has_ended
    assert version.config.batching.max_cost == 8192
