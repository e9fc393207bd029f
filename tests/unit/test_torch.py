"""What model.yaml says of PyTorch: what is refused, what may change, and whom it is for."""

from pathlib import Path

import pytest

from headrace.config.changes import changes
from headrace.config.load import load
from headrace.config.schema import ModelConfig
from headrace.config.torch import CAPTURING, MOST_PREPARED, PyTorch, prepared_rows
from headrace.errors import ConfigInvalid
from headrace.repository.folder import find

ANY_SIZE = "inputs:\n  - {name: x, datatype: FP32, shape: [4]}\n  - {name: y, datatype: FP32, "
ANY_SIZE += "shape: [-1]}\n"

#: What is written → what is said, with line and column.
WRONG = [
    ("torch: {compiled: default}", "1:9: unknown key 'compiled'; did you mean 'compile'?"),
    ("torch: {compile: fast}", "1:9: compile: input should be False, 'default' or 'max-autotune-"),
    ("torch: {compile: true}", "1:9: compile: expected false or a mode, not True: write default"),
    (
        "torch: {compile: reduce-overhead}",
        "1:9: compile: reduce-overhead captures CUDA graphs of its own, anew in each lane and "
        "while it serves: write default, and cuda_graphs: true",
    ),
    ("torch:\n  compile: max-autotune", "2:3: compile: max-autotune captures CUDA graphs of its"),
    ("torch: {autocast: fp16}", "1:9: autocast: input should be 'bfloat16' or 'float16', not"),
    ("torch: {autocast: true}", "1:9: autocast: input should be 'bfloat16' or 'float16', not"),
    ("torch: {memory_format: nhwc}", "1:9: memory_format: input should be 'channels_last'"),
    ("torch: {cuda_graphs: 1}", "1:9: cuda_graphs: expected true or false, not 1"),
    (
        "batching: {allowed_rows: [64]}\ntorch: {cuda_graphs: true}",
        "2:9: cuda_graphs needs a GPU: write placement.gpus, too",
    ),
    (
        "placement: {gpus: 1}\ntorch: {cuda_graphs: true}",
        "2:9: cuda_graphs needs batching.allowed_rows, each of which is captured",
    ),
    (
        f"torch: {{compile: default}}\n{ANY_SIZE}",
        "4:5: inputs[1]: compile of torch makes each shape ready before the first request, and "
        "this input has an axis of any size: write its size, or take torch.compile out",
    ),
    (
        "placement: {gpus: 1}\nbatching: {allowed_rows: [64]}\n"
        f"torch: {{cuda_graphs: true}}\n{ANY_SIZE}",
        "6:5: inputs[1]: cuda_graphs of torch makes each shape ready",
    ),
    (
        "batching: {max_rows: 65}\ntorch: {compile: default}",
        "2:9: compile runs each size of a batch once before the first request, and max_rows is 65: "
        "write batching.allowed_rows, up to 64 sizes",
    ),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[text[:40] for text, _ in WRONG])
def test_what_does_not_go_together_is_named_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as raised:
        load(file)
    assert f"{file}:{said}" in str(raised.value)


def test_what_is_written_arrives(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(
        "placement: {gpus: 1}\nbatching: {max_rows: 128, allowed_rows: [1, 128]}\n"
        "torch: {compile: max-autotune-no-cudagraphs, autocast: float16,\n"
        "  memory_format: channels_last, cuda_graphs: true}\n"
    )
    config = load(file)
    assert config.torch.model_dump() == {
        "compile": "max-autotune-no-cudagraphs",
        "autocast": "float16",
        "memory_format": "channels_last",
        "cuda_graphs": True,
    }
    assert config.torch.prepares == ("compile", "cuda_graphs")
    assert list(prepared_rows(config.batching)) == [1, 128]
    file.write_text("torch: {compile: false, autocast: bfloat16}\nbatching: {max_rows: 999}")
    assert load(file).torch.prepares == ()
    file.write_text(f"torch: {{autocast: bfloat16, memory_format: channels_last}}\n{ANY_SIZE}")
    assert load(file).torch.autocast == "bfloat16"


def test_without_allowed_sizes_a_batch_may_have_any_up_to_the_largest() -> None:
    config = ModelConfig.model_validate({"batching": {"max_rows": 3}})
    assert list(prepared_rows(config.batching)) == [1, 2, 3]
    assert MOST_PREPARED == 64 == ModelConfig().batching.max_rows


def test_a_mode_that_is_advised_is_one() -> None:
    for advised in CAPTURING.values():
        assert PyTorch.model_validate({"compile": advised}).compile == advised


@pytest.mark.parametrize(
    ("torch", "live"),
    [
        ({}, True),
        ({"autocast": "bfloat16"}, True),
        ({"compile": "default"}, False),
        ({"cuda_graphs": True}, False),
    ],
)
def test_the_sizes_that_a_program_was_prepared_for_do_not_change_while_it_serves(
    torch: dict[str, object], live: bool
) -> None:
    def config(rows: int, delay_ms: float) -> ModelConfig:
        batching = {"max_rows": rows, "allowed_rows": [1, rows], "max_delay_ms": delay_ms}
        placement = {"gpus": 1}
        return ModelConfig.model_validate(
            {"batching": batching, "placement": placement, "torch": torch}
        )

    found = {one.key: one.is_live for one in changes(config(8, 0.0), config(16, 1.0))}
    assert found == {
        "batching.max_rows": live,
        "batching.allowed_rows": live,
        "batching.max_delay_ms": True,
    }


@pytest.mark.parametrize("file", ["model.py", "model.onnx"])
def test_it_is_for_an_exported_program(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "net" / "1"
    folder.mkdir(parents=True)
    (folder / file).touch()
    (folder.parent / "model.yaml").write_text("torch: {autocast: bfloat16}")
    with pytest.raises(ConfigInvalid, match=f"torch is for a net.pt2, and .*{file} runs this"):
        find(tmp_path)
