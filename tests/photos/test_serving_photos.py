"""The example behind a whole server, asked the way a person would."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
from numpy.typing import NDArray

Photo = Callable[[str], NDArray[np.uint8]]
Encode = Callable[..., bytes]
CATS = {"tabby", "tiger cat", "Egyptian cat"}


def post(http: str, body: bytes, kind: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://{http}/v2/models/photos/infer", body, {"Content-Type": kind}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        answer: dict[str, Any] = json.load(reply)
    return answer


def test_a_jpeg_goes_in_and_names_come_out(
    address: dict[str, str], photo: Photo, encode: Encode
) -> None:
    answer = post(address["http"], encode(photo("chelsea")), "image/jpeg")
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert outputs["name"]["shape"] == outputs["probability"]["shape"] == [1, 5]
    assert outputs["name"]["datatype"] == "BYTES"
    assert outputs["name"]["data"][0] in CATS
    probability = outputs["probability"]["data"]
    assert probability == sorted(probability, reverse=True)


def test_what_is_no_photo_is_the_callers_mistake(address: dict[str, str]) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(address["http"], b"not a photo", "image/jpeg")
    with caught.value as reply:
        assert reply.code == 400
        assert "expected a JPEG, PNG or WebP image" in json.load(reply)["error"]


def test_a_batch_over_grpc_keeps_its_order(
    address: dict[str, str], photo: Photo, encode: Encode
) -> None:
    files = [encode(photo(name), "PNG") for name in ("rocket", "coffee")]
    tensor = tritonclient.grpc.InferInput("image", [2, 1], "BYTES")
    tensor.set_data_from_numpy(np.array(files, dtype=object).reshape(2, 1))
    with tritonclient.grpc.InferenceServerClient(address["grpc"]) as client:
        names = client.infer("photos", [tensor]).as_numpy("name")
    assert names.shape == (2, 5)
    assert list(names[:, 0]) == [b"missile", b"espresso"]
