"""Images are decoded from whatever holds their bytes; a bad one harms no other."""

import struct
import zlib
from typing import Any

import headrace_core
import numpy as np
import pytest


def png(height: int, width: int, color: tuple[int, int, int]) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(color) * width) * height
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


RED, BLUE = png(9, 7, (255, 0, 0)), png(30, 40, (0, 0, 255))


def test_images_become_one_array() -> None:
    for images in ([RED, BLUE], [bytearray(RED), memoryview(BLUE)], np.array([RED, BLUE], object)):
        pixels, faults = headrace_core.decode_images(images, 4, 6, crop=0.9, filter="bilinear")
        assert (str(pixels.dtype), pixels.shape, faults) == ("uint8", (2, 4, 6, 3), [None, None])
        assert pixels[0].reshape(-1, 3).tolist() == [[255, 0, 0]] * 24
        assert pixels[1].reshape(-1, 3).tolist() == [[0, 0, 255]] * 24


def test_a_batch_of_bytes_is_decoded_in_place(rig: Any) -> None:
    told: list[str | None] = []

    def work(batch: headrace_core.Batch) -> None:
        pixels, faults = headrace_core.decode_images(batch.inputs["x"], 2, 2)
        told.extend(faults)
        batch.complete({"y": pixels})

    shape = [2, 2, 3]
    rig.open(work, inputs=[("x", "BYTES", [1])], outputs=[("y", "UINT8", shape)])
    answer = rig.ask(np.array([[RED], [b"no image"]], np.object_), datatypes=["BYTES"])
    assert answer[0].reshape(-1, 3).tolist() == [[255, 0, 0]] * 4
    assert not answer[1].any()
    assert told[0] is None
    assert "expected a JPEG, PNG or WebP image" in str(told[1])


def test_what_makes_no_sense_is_refused() -> None:
    assert headrace_core.decode_images([], 2, 2)[0].shape == (0, 2, 2, 3)
    for how in ({"crop": 0.0}, {"filter": "best"}):
        with pytest.raises(ValueError, match="expected"):
            headrace_core.decode_images([RED], 2, 2, **how)
    with pytest.raises(TypeError):
        headrace_core.decode_images([3], 2, 2)
