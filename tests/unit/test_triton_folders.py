"""Triton's folders served as they are: what is found in them, and what is refused before a load."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.tritons import parse

from headrace.backends.triton_python.surface import provide
from headrace.config.triton.fields import as_dict
from headrace.config.triton.serving import wanted
from headrace.errors import ConfigInvalid, HeadraceError, ModelInvalid
from headrace.execution.opening import TRITONS_MODULE, contract, open_model
from headrace.repository.changed import changed
from headrace.repository.folder import find

Write = Callable[..., Path]
TENSORS = """
input { name: "x" data_type: TYPE_FP32 dims: 4 }
output { name: "y" data_type: TYPE_FP32 dims: 4 }
"""
CLASS = """
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        return []
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a model of Triton's and returns its folder."""

    def one(config: str, source: str = CLASS, file: str = "model.py") -> Path:
        version = tmp_path / "m" / "1"
        version.mkdir(parents=True, exist_ok=True)
        (version / file).write_text(source)
        (version.parent / "config.pbtxt").write_text(config)
        return version.parent

    return one


@pytest.mark.parametrize(
    ("text", "file", "said"),
    [
        ("", "", ""),
        ('backend: "python"', "model.py", ""),
        ('platform: "onnxruntime_onnx"', "model.onnx", ""),
        ('platform: "onnxruntime_onnx" backend: "onnxruntime"', "model.onnx", ""),
        ('platform: "pytorch_libtorch"', "model.pt", ""),
        ('default_model_filename: "model.onnx"', "model.onnx", ""),
        ('platform: "tensorrt_plan"', "", "platform: 'tensorrt_plan' is not served here"),
        ('backend: "vllm"', "", "backend: 'vllm' is not served here; there is python, onnxruntime"),
        ('platform: "pytorch_libtorch" backend: "python"', "", "not what runs platform"),
        ('backend: "python" default_model_filename: "other.py"', "", "expected model.py, not"),
        ('backend: "python" default_model_filename: "model.pt"', "", "expected model.py, not"),
    ],
)
def test_a_configuration_names_the_file_that_it_runs(text: str, file: str, said: str) -> None:
    found, wrong = wanted(parse(text))
    assert found == file
    assert wrong == said or (said and said in wrong)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('backend: "onnxruntime"', "does not hold model.onnx, which"),
        (f"max_batch_size: 4 response_cache {{ enable: true }} {TENSORS}", "response_cache: every"),
        (
            'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: 4 optional: true }',
            r"input\[0\].optional: every request brings every input",
        ),
        (
            'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: 4 '
            "reshape { shape: [2, 2] } }",
            r"input\[0\].reshape: the class sees what callers send",
        ),
        (
            'max_batch_size: 4 batch_input { kind: BATCH_ELEMENT_COUNT target_name: "n" '
            f'data_type: TYPE_FP32 source_input: "x" }} {TENSORS}',
            r"batch_input\[0\]: each request has arrays of its own",
        ),
        (
            'max_batch_size: 4 parameters { key: "EXECUTION_ENV_PATH" value { string_value: "" } }',
            "every model runs in the environment",
        ),
    ],
)
def test_what_is_not_there_is_refused_by_its_field(write: Write, config: str, said: str) -> None:
    folder = write(config)
    with pytest.raises(ConfigInvalid, match=said) as raised:
        find(folder)
    assert "config.pbtxt" in str(raised.value)


def test_every_version_holds_the_file(write: Write) -> None:
    folder = write(f"max_batch_size: 4 {TENSORS}")
    (folder / "2").mkdir()
    with pytest.raises(ConfigInvalid, match=r"m/2 does not hold model.py"):
        find(folder)


@pytest.mark.parametrize(
    ("config", "rows", "splits", "streams"),
    [
        (f"max_batch_size: 4 {TENSORS}", 4, False, False),
        (
            f"max_batch_size: 4 model_transaction_policy {{ decoupled: true }} {TENSORS}",
            4,
            False,
            True,
        ),
        (
            'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: -1 } '
            'output { name: "y" data_type: TYPE_FP32 dims: -1 }',
            1,
            True,
            False,
        ),
        (
            'input { name: "x" data_type: TYPE_FP32 dims: [1, 3] } '
            'output { name: "y" data_type: TYPE_FP32 dims: 1 }',
            1,
            False,
            False,
        ),
        (
            "model_transaction_policy { decoupled: true } "
            'input { name: "x" data_type: TYPE_FP32 dims: 1 } '
            'output { name: "y" data_type: TYPE_FP32 dims: 1 }',
            64,
            False,
            True,
        ),
    ],
)
def test_how_it_is_batched(
    write: Write, config: str, rows: int, splits: bool, streams: bool
) -> None:
    (version,) = find(write(config))
    batching = version.config.batching
    assert (batching.max_rows, batching.split_oversize) == (rows, splits)
    assert version.config.streams == streams


def test_what_it_says_by_now_can_be_applied(write: Write) -> None:
    folder = write(f"max_batch_size: 4 {TENSORS}")
    versions = find(folder)
    assert changed(versions, "") == []
    write(f"max_batch_size: 8 {TENSORS}")
    (one,) = changed(versions, "")
    assert [str(change) for change in one.changes] == ["batching.max_rows 4 -> 8"]


def test_a_class_is_opened_with_the_tensors_of_its_configuration(write: Write) -> None:
    (version,) = find(write(f"max_batch_size: 4 {TENSORS}"))
    model = open_model(version)
    assert [repr(one) for one in model.inputs] == ["Tensor('x', 'FP32', [4])"]
    told = contract(version, model)
    assert '"platform": "python"' in told
    assert '"repeatable": false' in told


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1", "should define a class TritonPythonModel"),
        ("class TritonPythonModel: pass", r"does not define execute\(self, requests\)"),
        (CLASS + "    def is_ready(self): return True\n", r"is_ready\(\): a version is ready once"),
        (CLASS + "    def f(self): pb_utils.load_model('a')\n", "line 6: pb_utils.load_model"),
        (
            "from triton_python_backend_utils import InferenceTrace as Family\n"
            f"{CLASS}    def initialize(self, args): Family('a', 'b', Family.COUNTER)\n",
            "line 7: pb_utils.InferenceTrace: requests have no traces",
        ),
        (
            CLASS + "    @staticmethod\n    def auto_complete_config(config): return None\n",
            "should return the pb_utils.ModelConfig",
        ),
        (
            CLASS + "    @staticmethod\n    def auto_complete_config(config):\n"
            "        config.set_max_batch_size(9); return config\n",
            r"says what .*config.pbtxt has to say.*\(batching\): write max_batch_size: 9",
        ),
        (
            CLASS + "    @staticmethod\n    def auto_complete_config(config):\n"
            "        config.add_input({'name': 'o', 'data_type': 'TYPE_FP32', 'dims': [1],"
            " 'optional': True})\n        return config\n",
            r"as auto_complete_config\(\) left it:\ninput\[1\].optional",
        ),
        (
            CLASS + "    @staticmethod\n    def auto_complete_config(config):\n"
            "        config.add_input({'name': 'o', 'data_type': 'FP32', 'dims': [1]})\n"
            "        return config\n",
            "as auto_complete_config left it",
        ),
    ],
)
def test_a_class_that_asks_for_what_is_not_there_is_refused(
    write: Write, source: str, said: str
) -> None:
    (version,) = find(write(f"max_batch_size: 4 {TENSORS}", source))
    with pytest.raises(HeadraceError, match=said):
        open_model(version)


def test_tensors_that_nobody_declares_are_missed(write: Write) -> None:
    (version,) = find(write("max_batch_size: 4"))
    with pytest.raises(ModelInvalid, match="declares no input, and auto_complete_config"):
        open_model(version)


@pytest.mark.parametrize("provided", [False, True])
def test_a_class_of_tritons_says_where_its_configuration_belongs(
    write: Write, monkeypatch: pytest.MonkeyPatch, provided: bool
) -> None:
    """Also where another version of its process has had the module made."""
    folder = write(f"max_batch_size: 4 {TENSORS}")
    (folder / "model.yaml").touch()
    if not provided:
        monkeypatch.delitem(sys.modules, TRITONS_MODULE, raising=False)
    else:
        monkeypatch.setitem(sys.modules, TRITONS_MODULE, provide())
    (version,) = find(folder)
    with pytest.raises(ModelInvalid, match=r"where there is a model\.yaml, that counts"):
        open_model(version)
    (folder / "model.yaml").unlink()
    (folder / "config.pbtxt").unlink()
    (version,) = find(folder)
    with pytest.raises(ModelInvalid, match=r"served with a config\.pbtxt"):
        open_model(version)


def test_a_configuration_as_a_dict_has_defaults_and_numbers() -> None:
    said = as_dict(parse(f'max_batch_size: 4 {TENSORS} parameters {{ key: "k" value {{}} }}'))
    assert said["max_batch_size"] == 4
    assert said["input"][0]["dims"] == [4]
    assert said["input"][0]["data_type"] == "TYPE_FP32"
    assert said["input"][0]["optional"] is False
    assert said["parameters"] == {"k": {"string_value": ""}}
    assert said["default_model_filename"] == ""
    assert "model_transaction_policy" not in said
    assert "dynamic_batching" not in said


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        ("", [10]),
        ("version_policy { latest {} }", [10]),
        ("version_policy { latest { num_versions: 2 } }", [9, 10]),
        ("version_policy { latest { num_versions: 7 } }", [1, 9, 10]),
        ("version_policy { all {} }", [1, 9, 10]),
        ("version_policy { specific { versions: [9, 1, 4] } }", [1, 9]),
        ("version_policy { specific { versions: 4 } }", None),
    ],
)
def test_its_policy_chooses_the_versions(
    tmp_path: Path, policy: str, chosen: list[int] | None
) -> None:
    folder = tmp_path / "m"
    for number in (1, 9, 10):
        (folder / str(number)).mkdir(parents=True)
    for number in chosen or ():
        # Those that it does not choose may be anything.
        (folder / str(number) / "model.py").write_text("")
    (folder / "config.pbtxt").write_text(f'backend: "python" max_batch_size: 4 {policy}')
    if chosen is None:
        with pytest.raises(ConfigInvalid, match="version_policy chooses none of 1, 9, 10"):
            find(tmp_path)
        return
    found = find(tmp_path)
    assert [one.number for one in found] == chosen
    assert {one.config.versions.on_new for one in found} == {"swap"}
