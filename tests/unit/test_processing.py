"""Steps before and behind a model: what callers send and get, and what is refused."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.passing import through

from headrace.config.processing import After, Before
from headrace.errors import ModelBroken, ModelInvalid
from headrace.execution.device.host import HostLane
from headrace.execution.elements import Elements
from headrace.execution.passage import Passage
from headrace.execution.trial import MadeUpRows, run
from headrace.models import Batch, Context, Model, Tensor
from headrace.processing.processed import Processed
from headrace_kernels.images.ragged import packed
from headrace_kernels.images.reference import preprocess_images
from headrace_kernels.images.transform import ImageTransform

IMAGES: dict[str, Any] = {"input": "image", "output": "pixels", "height": 4, "width": 6}
RANK: dict[str, Any] = {"input": "score", "probabilities": "p", "classes": "class", "k": 2}
LABELS: dict[str, Any] = {"input": "class", "output": "name", "file": "names.txt"}


class Mean(Model):
    """Scores are a picture's mean level, and twice and thrice that."""

    inputs = (Tensor("pixels", "FP32", [3, 4, 6]),)
    outputs = (Tensor("score", "FP32", [3]),)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        mean = np.asarray(batch["pixels"]).reshape(batch.rows, -1).mean(1, keepdims=True)
        return {"score": (mean * np.array([1, 2, 3])).astype(np.float32)}


def before(*steps: dict[str, Any]) -> list[Before]:
    return [Before.model_validate({"preprocess_images": IMAGES | one}) for one in steps]


def after(*steps: dict[str, Any]) -> list[After]:
    return [After.model_validate(one) for one in steps]


def shown(tensors: Any) -> list[str]:
    return [f"{one.name} {one.datatype} {list(one.shape)}" for one in tensors]


def png(level: int, width: int = 9, height: int = 7) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def load(model: Model, folder: Path) -> Model:
    model.load(Context("m", 1, folder))
    return model


def ask(model: Model, files: list[bytes]) -> tuple[Mapping[str, Any], dict[int, str]]:
    rows = MadeUpRows(len(files), {"image": Elements(files, (len(files), 1))})
    return through(model, rows), rows.rejected


@pytest.mark.parametrize(
    ("first", "last", "sent", "got"),
    [
        ([], [], ["pixels FP32 [3, 4, 6]"], ["score FP32 [3]"]),
        ([{}], [], ["image BYTES [1]"], ["score FP32 [3]"]),
        (
            [{}],
            [{"softmax_top_k": RANK}],
            ["image BYTES [1]"],
            ["p FP32 [2]", "class INT64 [2]"],
        ),
        (
            [],
            [{"softmax_top_k": RANK}, {"labels": LABELS}],
            ["pixels FP32 [3, 4, 6]"],
            ["p FP32 [2]", "name BYTES [2]"],
        ),
    ],
)
def test_callers_send_and_get_what_no_step_makes_or_reads(
    first: list[Any], last: list[Any], sent: list[str], got: list[str]
) -> None:
    model = Processed(Mean(), before(*first), after(*last))
    assert shown(model.inputs) == sent
    assert shown(model.outputs) == got


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        ([{"output": "x"}], [], "preprocess makes 'x', which is no input of the model"),
        ([{"height": 5}], [], "preprocess makes .+5, 6.+, but the model takes .+4, 6"),
        ([{"datatype": "FP16"}], [], "preprocess makes .+FP16.+, but the model takes .+FP32"),
        ([{"layout": "NHWC"}], [], "but the model takes"),
        ([{}, {}], [], "makes 'pixels', which another step makes too"),
        ([{"input": "pixels", "output": "pixels"}], [], None),
        ([{"resize_to": 9}], [], "preprocess_images: resize_to is for fit='crop' alone"),
        ([], [{"labels": LABELS}], "labels reads 'class', which nothing makes before it"),
        ([], [{"labels": LABELS | {"input": "score"}}], "labels reads INT64 or INT32, not"),
        ([], [{"softmax_top_k": RANK | {"k": 4}}], "k is 4, and .+ has 3 classes"),
        ([], [{"softmax_top_k": RANK | {"classes": "score"}}], "makes 'score', which there is"),
        (
            [],
            [{"softmax_top_k": RANK}, {"softmax_top_k": RANK | {"input": "class"}}],
            "softmax_top_k reads floats",
        ),
    ],
)
def test_steps_that_do_not_fit_are_refused_by_name(
    first: list[Any], last: list[Any], message: str | None
) -> None:
    if message is None:  # a picture may keep the name of its file
        assert shown(Processed(Mean(), before(*first), after(*last)).inputs) == ["pixels BYTES [1]"]
        return
    with pytest.raises(ModelInvalid, match=message):
        Processed(Mean(), before(*first), after(*last))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "expected one of preprocess_images, tokenize, .+ in each entry, not none"),
        ({"resize": {}}, "resize"),
        ({"preprocess_images": IMAGES | {"std": [1, 0, 1]}}, "expected numbers above 0"),
        ({"preprocess_images": IMAGES | {"mean": [1, 2]}}, "mean"),
        ({"preprocess_images": IMAGES | {"height": 0}}, "height"),
        ({"preprocess_images": IMAGES | {"filter": "lanczos"}}, "filter"),
    ],
)
def test_an_entry_is_one_step_with_what_it_can_be(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Before.model_validate(entry)


def test_two_steps_in_one_entry_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of softmax_top_k, .+, labels in each"):
        After.model_validate({"softmax_top_k": RANK, "labels": LABELS})
    for file in ("/etc/passwd", "../names.txt", "a/../../b"):
        with pytest.raises(ValueError, match="expected a file in the version's folder"):
            After.model_validate({"labels": LABELS | {"file": file}})


def test_files_become_what_the_reference_makes_of_their_pixels() -> None:
    kept: list[Any] = []

    class Keeps(Mean):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            kept.append(np.array(batch["pixels"]))
            return super().predict(batch)

    dice = np.random.default_rng(5)
    pictures = [dice.integers(0, 256, (h, w, 3), np.uint8) for h, w in ((9, 7), (31, 12), (4, 6))]
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files.append(file.getvalue())
    means, stds = [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]
    said = {"divide_by": 255, "mean": means, "std": stds, "fit": "crop", "resize_to": 8}
    model = Processed(Keeps(), before(said | {"filter": "bicubic", "antialias": False}), [])
    ask(model, files)
    transform = ImageTransform(
        height=4,
        width=6,
        fit="crop",
        resize_to=8,
        filter="bicubic",
        antialias=False,
        mean=tuple(255 * one for one in means),
        scale=tuple(1 / (255 * one) for one in stds),
    )
    np.testing.assert_array_equal(kept[0], preprocess_images(packed(pictures), transform))


def test_a_row_whose_file_is_none_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# a comment\none\ntwo\nthree\n")
    steps = after({"softmax_top_k": RANK}, {"labels": LABELS})
    model = load(Processed(Mean(), before({"divide_by": 255}), steps), tmp_path)
    outputs, rejected = ask(model, [png(255), b"no picture", png(0)])
    assert list(rejected) == [1]
    assert rejected[1].startswith("expected a JPEG, PNG or WebP")
    assert outputs["name"][0].tolist() == ["three", "two"]
    likely = np.exp([3.0, 2.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    np.testing.assert_allclose(outputs["p"][0], likely, atol=1e-6)
    np.testing.assert_allclose(outputs["p"][2], 1 / 3, atol=1e-6)


@pytest.mark.parametrize(
    "file",
    [
        b"one\ntwo\nthree",
        b"one\r\ntwo\r\nthree\r\n",
        b"\xef\xbb\xbfone\ntwo\nthree\n",
        b"\xef\xbb\xbf# a comment behind a mark\none\ntwo\nthree\n",
        "one\u2028\x0c\x85of them\ntwo\nthree\n".encode(),
    ],
)
def test_each_line_of_a_file_of_labels_is_one_name(tmp_path: Path, file: bytes) -> None:
    (tmp_path / "names.txt").write_bytes(file)
    steps = after({"softmax_top_k": RANK}, {"labels": LABELS})
    outputs, _ = ask(load(Processed(Mean(), before({}), steps), tmp_path), [png(255), png(0)])
    best, level = outputs["name"]
    assert best.tolist() == ["three", "two"]
    assert level[0].startswith("one")


def test_a_class_without_a_name_is_the_models_fault(tmp_path: Path) -> None:
    steps = after({"softmax_top_k": RANK}, {"labels": LABELS})
    model = Processed(Mean(), before({}), steps)
    with pytest.raises(ModelInvalid, match=r"names.txt cannot be read"):
        load(model, tmp_path)
    (tmp_path / "names.txt").write_text("# nothing\n")
    with pytest.raises(ModelInvalid, match="has no name: expected one a line"):
        load(model, tmp_path)
    (tmp_path / "names.txt").write_text("one\ntwo\n")
    with pytest.raises(ModelBroken, match="has names of classes 0 to 1, and 'class' has 1 to 2"):
        ask(load(model, tmp_path), [png(255)])


def test_a_version_warms_up_with_files_of_its_own(tmp_path: Path) -> None:
    model = Processed(Mean(), before({}), [])
    trial = run(Passage("m/1", model, HostLane()), 3, lambda: 0.0)
    assert (trial.rows, trial.rejected) == (3, {})


def test_what_the_model_does_not_declare_is_told_before_a_step_reads_it(tmp_path: Path) -> None:
    class Wrong(Mean):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            return {"scores": np.zeros((batch.rows, 3), np.float32)}

    model = Processed(Wrong(), before({}), after({"softmax_top_k": RANK}))
    with pytest.raises(ModelBroken, match=r"declared outputs \['score'\], but returned"):
        ask(model, [png(1)])


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (np.ones((1, 3), np.float64), "an array of float64"),
        (np.ones((1, 3), np.complex64), "an array of complex64"),
        (np.ones((1, 3), np.int32), "an array of int32"),
        ([[1.0, 2.0, 3.0]], "list"),
    ],
)
def test_what_a_step_reads_is_of_the_datatype_that_was_declared(
    returned: Any, found: str, tmp_path: Path
) -> None:
    class Wrong(Mean):
        def predict(self, batch: Batch) -> Mapping[str, Any]:
            return {"score": returned}

    model = load(Processed(Wrong(), before({}), after({"softmax_top_k": RANK})), tmp_path)
    with pytest.raises(ModelBroken, match=f"'score' as FP32, but returned {found}"):
        ask(model, [png(1)])
