"""Which GPUs are a version's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.errors import ModelBroken
from headrace.execution.memory.reckoning import Nothing, reckoning, visible
from headrace.repository.folder import find

WriteModel = Callable[..., Path]


def test_without_a_gpu_nothing_is_reckoned(write_model: WriteModel) -> None:
    (version,) = find(write_model())
    assert isinstance(reckoning(version, print), Nothing)


def test_a_gpu_that_the_driver_does_not_know_is_told(
    write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-no,1")
    (version,) = find(write_model(yaml="placement: {gpus: 1}"))
    with pytest.raises(ModelBroken, match="'MIG-no', which CUDA_VISIBLE_DEVICES names"):
        reckoning(version, print).admit()


@pytest.mark.parametrize(
    ("told", "count", "entries"),
    [
        (None, 2, ["0", "1"]),
        ("3", 1, ["3"]),
        ("3, GPU-5a,1", 2, ["3", "GPU-5a"]),
        ("", 1, None),
        ("0", 2, None),
    ],
)
def test_the_first_gpus_that_cuda_shows_are_the_versions(
    told: str | None, count: int, entries: list[str] | None
) -> None:
    if entries is None:
        with pytest.raises(ModelBroken, match=f"asks for {count} GPU"):
            visible(told, count)
    else:
        assert visible(told, count) == entries
