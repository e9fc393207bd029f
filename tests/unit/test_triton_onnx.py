"""What Triton says of an ONNX model."""

from tests.unit.tritons import BATCHED, converted, flat, found

from headrace.cli.converting import lines
from headrace.config.triton.finding import Verdict

ACCELERATED = BATCHED + (
    "optimization { graph { level: 1 } execution_accelerators { gpu_execution_accelerator { "
    'name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } } } } '
    "instance_group { kind: KIND_GPU }"
)


def test_the_file_says_what_its_tensors_are() -> None:
    done = converted(BATCHED, backend="onnx")
    assert done.settings == {"batching": {"max_rows": 8}}
    assert not done.refused
    one = found(BATCHED, "input[0]", backend="onnx")
    assert (one.verdict, one.text[:10]) == (Verdict.DIFFERS, "model.onnx")
    assert not [text for text in lines(done) if text.startswith("the class")]
    assert [text for text in lines(converted(BATCHED)) if text.startswith("the class")]


def test_tensorrt_is_a_provider() -> None:
    assert not converted(ACCELERATED, backend="onnx").refused
    field = "optimization.execution_accelerators"
    one = found(ACCELERATED, field, backend="onnx")
    assert flat(one) == {"onnx.providers": ["TensorrtExecutionProvider", "CUDAExecutionProvider"]}
    told = "\n".join(lines(converted(ACCELERATED, backend="onnx")))
    assert "onnx.providers: TensorrtExecutionProvider, CUDAExecutionProvider" in told
    of_class = converted(ACCELERATED)
    assert field not in [one.field for one in of_class.findings]
    assert "onnx" not in of_class.settings


def test_what_only_a_class_could_do_is_not_promised() -> None:
    text = BATCHED.replace("dims: [-1] }", "dims: [-1] reshape { shape: [-1, 1] } }")
    text += 'parameters { key: "intra_op_thread_count" value: { string_value: "2" } }'
    done = converted(text, backend="onnx")
    assert [one.field for one in done.refused] == ["output[0].reshape"]
    assert "parameters" not in done.settings
    assert done.settings["placement"]["threads"] == 2
    none = converted(text.replace('"2"', '"0"'), backend="onnx")
    assert "threads" not in none.settings.get("placement", {})
    assert not converted(text).refused


def test_what_triton_completes_from_the_file_needs_no_words() -> None:
    done = converted('backend: "onnxruntime"', backend="onnx")
    assert (done.settings, list(done.refused)) == ({}, [])
    assert [one.field for one in converted("").refused] == ["max_batch_size (0)"]
