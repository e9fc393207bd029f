"""What is decided of an ONNX file without ONNX Runtime."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headrace.backends.onnx import model
from headrace.backends.onnx.providers import check_started, choose
from headrace.backends.onnx.signature import DATATYPES, Port, signature
from headrace.config.load import load
from headrace.config.onnx import OnnxRuntime
from headrace.errors import ConfigInvalid, ModelInvalid
from headrace.models import Tensor
from headrace.repository.folder import find
from headrace.vocabulary import DATATYPES as OURS

F = "tensor(float)"
CPU, CUDA, TRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


def ports(*shapes: Sequence[Any], kind: str = F) -> list[Port]:
    return [Port("abc"[at], kind, shape) for at, shape in enumerate(shapes)]


@pytest.mark.parametrize(
    ("first", "inner", "shape", "one_by_one"),
    [
        ("n", [4], (4,), False),
        (None, ["t", None, 3], (-1, -1, 3), False),
        (1, [2], (2,), True),
        ("n", [], (), False),
    ],
)
def test_the_first_axis_is_that_of_rows(
    first: Any, inner: list[Any], shape: tuple[int, ...], one_by_one: bool
) -> None:
    read = signature("f", ports([first, *inner]), [Port("y", "tensor(int64)", [first])])
    assert read.inputs == [Tensor("a", "FP32", shape)]
    assert read.outputs == [Tensor("y", "INT64", [])]
    assert read.one_by_one is one_by_one


def test_all_types_but_one_are_known() -> None:
    assert sorted(DATATYPES.values()) == sorted({*OURS} - {"BF16"})


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        (ports([8, 3]), ports(["n"]), "input 'a' has a first axis of 8, .*dynamic_axes"),
        (ports(["n", 3]), ports([5]), "output 'a' has a first axis of 5"),
        (ports(["n", 3]), ports([]), "output 'a' has no axes, or does not say which"),
        (ports(["n"], [1]), ports(["n"]), "first axis of input 'b' is 1, and that of output 'a'"),
        (ports(["n", 0]), ports(["n"]), "input 'a' has a size of 0"),
        ([], ports(["n"]), "has no input"),
        (ports(["n"], kind="tensor(bfloat16)"), ports(["n"]), "bfloat16.*: .*cast it inside"),
        (ports(["n"], kind="tensor(float8e4m3fn)"), ports(["n"]), "served are tensor.bool"),
        (
            ports(["n"]),
            ports([], kind="seq(map(int64,tensor(float)))"),
            r"output 'a' is of seq\(map.*zipmap=False",
        ),
    ],
)
def test_what_cannot_be_served_is_told(inputs: list[Port], outputs: list[Port], said: str) -> None:
    with pytest.raises(ModelInvalid, match=said):
        signature("m/1/model.onnx", inputs, outputs)


@pytest.mark.parametrize(
    ("providers", "gpu", "chosen"),
    [
        (None, False, [CPU]),
        (None, True, [CUDA, CPU]),
        ([CPU], False, [CPU]),
        ([TRT, CUDA], True, [TRT, CUDA, CPU]),
        (["OpenVINOExecutionProvider"], False, ["OpenVINOExecutionProvider", CPU]),
    ],
)
def test_a_provider_is_chosen(providers: list[str] | None, gpu: bool, chosen: list[str]) -> None:
    options: dict[str, Any] = {} if chosen[0] == CPU else {"a": 1}
    settings = OnnxRuntime(providers=providers, provider_options={chosen[0]: options})
    available = [CPU, CUDA, TRT, "OpenVINOExecutionProvider"]
    told = choose(settings, available, gpu=gpu)
    assert told == [(chosen[0], options), *((one, {}) for one in chosen[1:])]


@pytest.mark.parametrize(
    ("providers", "options", "gpu", "said"),
    [
        (None, [], True, r"placement.gpus needs CUDA.*has CPU.*onnxruntime-gpu\[cuda,cudnn\]"),
        ([TRT], [], True, "onnx.providers names Tensorrt.*onnxruntime-gpu"),
        ([CUDA], [], False, "names CUDAExecutionProvider: write placement.gpus, too"),
        (["XnnpackExecutionProvider"], [], False, f"Xnnpack.*, and the installed .* has {CPU}$"),
        ([CPU], [], True, "has only CPUExecutionProvider: take one of them out"),
        (None, [CUDA], False, "provider_options has some of CUDA.*runs on CPUExecutionProvider"),
    ],
)
def test_no_other_provider_is_taken_silently(
    providers: list[str] | None, options: list[str], gpu: bool, said: str
) -> None:
    settings = OnnxRuntime(providers=providers, provider_options={one: {} for one in options})
    with pytest.raises(ModelInvalid, match=said):
        choose(settings, [CPU], gpu=gpu)


def test_a_provider_that_did_not_start_is_told() -> None:
    check_started([CUDA, CPU], [CUDA, CPU])
    with pytest.raises(ModelInvalid, match=r"could not start CUDA.*would go on with CPU"):
        check_started([CUDA, CPU], [CPU])


def test_a_missing_library_is_named_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    uses = model.Uses(gpu=False, lanes=1, threads=1)
    with pytest.raises(ModelInvalid, match=r"pip install 'headrace\[onnx\]'"):
        model.OnnxModel(tmp_path / "model.onnx", OnnxRuntime(), uses)


def test_what_is_written_for_onnx_runtime_arrives(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(
        f"onnx: {{providers: [{TRT}, {CUDA}],\n"
        f"  provider_options: {{{TRT}: {{trt_fp16_enable: true, a: 1, b: x, c: 0.5}}}}}}\n"
    )
    written = load(file).onnx
    assert written.providers == (TRT, CUDA)
    options = {"trt_fp16_enable": True, "a": 1, "b": "x", "c": 0.5}
    assert written.provider_options == {TRT: options}


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("inputs: [{name: x, datatype: FP32, shape: [4]}]", "the file owns them"),
        ("streams: true", "model.onnx returns one answer"),
        ("onnx: {providers: []}", "providers: expected at least one"),
        (
            "onnx: {providers: [cuda]}",
            "model.yaml:1:20: providers.0.: expected a provider, such as CUDAEx.*, not 'cuda'",
        ),
        (f"onnx: {{providers: [{CPU}, {CPU}]}}", "model.yaml:1:42: .* is named twice"),
        (f"onnx: {{provider_options: {{{CPU}: {{a: 1}}}}}}", "1:27: CPU.* has no options"),
        ("onnx: {threads: 3}", "unknown key 'threads'"),
        ("", ""),
    ],
)
def test_model_yaml_says_what_the_file_does_not(tmp_path: Path, yaml: str, said: str) -> None:
    folder = tmp_path / "net" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").touch()
    (folder.parent / "model.yaml").write_text(yaml)
    if not said:
        assert [one.backend for one in find(tmp_path)] == ["onnx"]
        (folder / "model.py").touch()
        assert [one.backend for one in find(tmp_path)] == ["python"]
        (folder.parent / "model.yaml").write_text(f"onnx: {{providers: [{CPU}]}}")
        said = "onnx is for a model.onnx"
    with pytest.raises(ConfigInvalid, match=said):
        find(tmp_path)
