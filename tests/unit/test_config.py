import os
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.config.joining import Pad
from headrace.config.load import load
from headrace.config.schema import ModelConfig
from headrace.config.section import Section
from headrace.errors import ConfigInvalid

#: What is written → what is said, with line and column.
WRONG = [
    ("batchng: {}", "1:1: unknown key 'batchng'; did you mean 'batching'?"),
    ("batching: {max_row: 3}", "1:12: unknown key 'max_row'; did you mean 'max_rows'?"),
    ("placement:\n  replicas: {mni: 1}", "2:14: unknown key 'mni'; did you mean 'min'?"),
    ("xyzzy: 1", "1:1: unknown key 'xyzzy'; known here: versions, rollouts, drift, warmup,"),
    ("source: models:/a", "1:1: 'models:/a' does not say which version: write models:/a/1"),
    ("source: 3", "1:1: expected an address, or {address: …, sha256: …}, not 3"),
    ("mlflow: {registry: http://a}", "1:1: mlflow says where source is looked up, and there is no"),
    ("source: models:/a/1\nmlflow: {registy: x}", "2:10: unknown key 'registy'; did you mean"),
    ("batching: {max_rows: many}", "1:12: max_rows: expected a whole number, not 'many'"),
    ("batching: {max_rows: 1.5}", "1:12: max_rows: expected a whole number, not 1.5"),
    ("batching: {max_rows: true}", "1:12: max_rows: expected a whole number, not True"),
    ("batching: {max_rows: 0}", "1:12: max_rows: input should be greater than or equal to 1"),
    ("batching: {max_delay_ms: .inf}", "1:12: max_delay_ms: input should be a finite number"),
    ("batching: {allowed_rows: [4, 4]}", "1:12: expected sizes that rise, but 4 follows 4"),
    ("batching: {allowed_rows: [4, 8]}", "1:1: the last of allowed_rows is 8, but max_rows is 64"),
    (
        "batching: {allowed_rows: [0, 64]}",
        "1:27: allowed_rows[0]: input should be greater than or equal to 1",
    ),
    ("batching: {priorities: 2, default_priority: 3}", "1:1: default_priority is 3, but there are"),
    ("batching: {max_rows: 9, queue_rows: 8}", "1:1: queue_rows is 8, but one request may have"),
    ("batching: {cost: [rows]}", "1:1: cost counts for nothing without max_cost"),
    ("batching: {max_cost: 0}", "1:12: max_cost: input should be greater than or equal to 1"),
    ("batching: {max_cost: 1, cost: rows}", "1:25: cost: expected a list, not 'rows'"),
    ("batching: {max_cost: 1, cost: [{}]}", "1:32: cost[0]: expected rows or one of {elements: x}"),
    (
        "batching: {max_cost: 1, cost: [{bytes: x, value: x}]}",
        "1:32: cost[0]: expected rows or one of {elements: x}, {bytes: x}, {value: x}",
    ),
    ("batching: {max_cost: 1, cost: [{element: x}]}", "1:33: unknown key 'element'; did you mean"),
    ("batching: {join: {x: pads}}", "1:19: x: expected keys and values, not 'pads'"),
    ("batching: {join: {x: {}}}", "1:19: expected one of stack, ragged, {pad: {value: 0"),
    ("batching: {join: {x: {pads: {}}}}", "1:23: unknown key 'pads'; did you mean 'pad'?"),
    (
        "batching: {join: {x: {pad: {valeu: 1}}}}",
        "1:29: unknown key 'valeu'; did you mean 'value'?",
    ),
    ("batching: {join: {x: {pad: {sizes: [8, 8]}}}}", "1:29: expected sizes that rise"),
    (
        "batching: {join: {x: {pad: {sizes: [8], multiple_of: 2}}}}",
        "1:23: expected multiple_of or sizes, not both",
    ),
    ("batching: {like: {y: x}}", "1:19: output 'y' is like 'x', which batching.join does not pad"),
    ("batching: {unbatched: true}", "1:12: max_rows is 64, and unbatched says that tensors have"),
    (
        "batching: {unbatched: true, max_rows: 1, split_oversize: true}",
        "1:42: split_oversize is with unbatched: a request of one row cannot be cut",
    ),
    ("streams: true\nbatching: {join: {x: ragged}}", "2:12: join is not for streams: requests"),
    ("streams: true\nbatching: {max_delay_ms: 1}", "2:12: max_delay_ms is not for streams"),
    (
        "streams: true\nbatching: {split_oversize: true}",
        "2:12: split_oversize is not for streams",
    ),
    ("streams: true\nplacement: {lanes: 2}", "2:13: lanes is not for streams: one lane steps"),
    ("sequences: {idle: 5}", "1:13: unknown key 'idle'; did you mean 'idle_ms'?"),
    ("sequences: {strategy: newest}", "1:13: strategy: "),
    ("sequences: {max_sequences: 0}", "1:13: max_sequences: input should be greater than or"),
    ("sequences: {max_sequences: 65537}", "1:13: max_sequences: input should be less than or"),
    ("sequences: {idle_ms: 0}", "1:13: idle_ms: input should be greater than 0"),
    ("sequences: {controls: {begin: x}}", "1:24: unknown key 'begin'"),
    ("sequences: {controls: {start: x, end: x}}", "1:13: input 'x' says two things here"),
    ("sequences: {}\nstreams: true", "2:1: a request of a sequence has one answer"),
    (
        "sequences: {}\nbatching: {split_oversize: true}",
        "2:12: a request of a sequence has one row",
    ),
    ("sequences: {}\nrepeatable: true", "2:1: what runs twice would change its sequence's"),
    (
        "sequences: {strategy: direct}\nbatching: {max_rows: 8}",
        "1:1: max_sequences is 64, but batching.max_rows is 8",
    ),
    (
        "sequences: {strategy: direct}\nbatching: {join: {x: ragged}}",
        "2:12: rows of sequences.strategy direct have one shape",
    ),
    ("batching:", "1:1: batching: expected keys and values, not None"),
    ("[1]", "1:1: the file: expected keys and values, not [1]"),
    ("repeatable: 1", "1:1: repeatable: expected true or false, not 1"),
    (
        "batching: {max_delay_ms: 1e-3}",
        "expected a number, not '1e-3': YAML takes that for a text, write 0.001",
    ),
    ("placement: {isolation: together}", "1:13: isolation: input should be 'own' or 'shared'"),
    ("placement: {replicas: {max: 3}}", "1:13: min is 1 and max 3"),
    (
        "placement:\n  replicas: {min: 1000000, max: 1000000}",
        "2:14: min: input should be less than or equal to 1000, not 1000000",
    ),
    (
        "placement: {gpus: 65}",
        "1:13: gpus: input should be less than or equal to 64, not 65",
    ),
    (
        "batching: {deadline_ms: 1.0e+300}",
        "1:12: deadline_ms: input should be less than or equal to 60",
    ),
    ("batching: {deadline_ms: 0}", "1:12: deadline_ms: input should be greater than 0, not 0"),
    ("placement: {replicas: {target_wait_ms: 5}}", "1:24: 'target_wait_ms' is not built yet"),
    ("versions: {plan: x}", "plan is of on_new: rollout"),
    ("traffic: {}", "1:1: 'traffic' is not built yet"),
    ("environment: ../r.txt", "1:1: expected a file below the model's folder, not '../r.txt'"),
    ('environment: "a\\0b"', "1:1: expected a file below the model's folder, not 'a\\x00b'"),
    (
        'postprocess: [{labels: {input: a, output: b, file: "a\\0b"}}]',
        "1:46: expected a file in the version's folder, not 'a\\x00b'",
    ),
    (
        "onnx: {provider_options: {CPUExecutionProvider: {a: [1]}}}",
        "1:50: expected a text, a number, or true or false, not [1]",
    ),
    (
        "preprocess: [{preprocess_images: {input: a, output: b, height: 9, width: 9, fill: 7}}]",
        "fill is for fit: letterbox, and nothing is around a stretch",
    ),
    ("inputs: {x: FP32}", "1:1: inputs: expected a list, not {'x': 'FP32'}"),
    ("inputs: [{name: x, shape: []}]", "1:10: datatype: 'datatype' is missing"),
    (
        "inputs:\n  - {name: x, datatype: fp32, shape: [4]}",
        "2:15: 'fp32' is not one of BOOL, UINT8",
    ),
    ("inputs: [{name: x, datatype: FP32, shape: [0]}]", "1:36: 0 is neither a positive size"),
    (
        "inputs: [{name: x, datatype: FP32, shape: [4, 99999999999999]}]",
        "1:36: expected sizes of at most 2147483648, not 99999999999999",
    ),
    ("inputs: [{name: x, datatypo: FP32, shape: []}]", "unknown key 'datatypo'; did you mean"),
    ("repeatable: true\noutputs: []", "2:1: expected at least one {name: x, datatype: FP32,"),
    (
        "inputs:\n  - {name: x, datatype: FP32, shape: []}\n"
        "  - {datatype: FP32, name: x, shape: []}",
        "3:22: name: 'x' is the name of another one here: use one name each",
    ),
    ("repeatable: true\nrepeatable: false", "2:1: 'repeatable' is written twice"),
    ("a: &x {}\nb: *x", "2:1: YAML aliases (*name) are not read here"),
    ("parameters: !!python/object:os.system {}", "1:13: could not determine a constructor"),
    ("batching: [", "expected the node content"),
    ("batching: {max_rows: 3", "expected ',' or '}'"),
    ("parameters: {}\nbatching: {max_rows: " + "1" * 5000 + "}", "2:22: '1111"),
    ("batching: {max_rows: 0x" + "f" * 5000 + "}", "1:22: '0xffff"),
    ("parameters: {a: 1" + ":1" * 200 + "}", "1:17: '1:1:1:"),
    ("batching: {max_rows: 0x" + "f" * 390 + "}", "1:12: max_rows: "),
    ('parameters: {a: "\\UFFFFFFFF"}', "1:20: an escape (\\U…)"),
    ("%YAML 1." + "9" * 5000 + "\n---\n{}", "1:9: an escape (\\U…) or a version (%YAML …)"),
    ('parameters: {a: "b\\ud800"}', "1:17: '\\ud800' is half a character"),
    ('parameters: {"\\ud800": 1}', "1:14: '\\ud800' is half a character"),
    ("".join(f"k{at}: 1\n" for at in range(99)), "51:1: 49 more errors from here on"),
    ("batching: {max_rows: [" + "8, " * 5000 + "8]}", "8, 8, 8…"),
    ("parameters:\n  day: 2024-13-45", "2:8: '2024-13-45' looks like YAML's timestamp and is"),
    ("parameters: {a: 0x_}", "1:17: '0x_' looks like YAML's int and is none"),
    ("parameters: {a: !!bool x}", "1:17: 'x' looks like YAML's bool"),
    ("parameters: {a: !!int ''}", "1:17: '' looks like YAML's int"),
    ("parameters: {a: !!timestamp x}", "1:17: 'x' looks like YAML's timestamp"),
    ("[" * 5000, "1:51: nested more than 50 levels deep"),
    ("parameters: " + "{a: " * 5000, ":1:"),
    ("parameters:\n  a: \x00", "2:6: character 0x0 is not read here"),
    ("#" * (1 << 18) + "#", "1:1: the file is larger than 262144 bytes"),
    ("placement: {gpus: 1.5}", "expected a share of one GPU, as 0.5, or whole ones, as 1, not 1.5"),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[text[:40] for text, _ in WRONG])
def test_what_does_not_belong_there_is_named_with_its_place(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid) as raised:
        load(file)
    assert said in str(raised.value)
    assert str(raised.value).startswith(f"{file}:")


def test_a_number_that_is_less_than_any_float_is_not_told_to_be_zero(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("placement: {gpus: 1e-400}")
    with pytest.raises(ConfigInvalid, match=r"expected a number, not '1e-400'$"):
        load(file)


def test_all_errors_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("repeatable: 1\nbatching:\n  max_rows: x\n  deadline_ms: y\ntraffic: {}\n")
    with pytest.raises(ConfigInvalid) as raised:
        load(file)
    places = [line.removeprefix(f"{file}:")[:3] for line in str(raised.value).split("\n")]
    assert places == ["1:1", "3:3", "4:3", "5:1"]


def test_bytes_that_are_no_text_are_an_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_bytes(b"batching: \xff")
    with pytest.raises(ConfigInvalid, match="not UTF-8: byte 10"):
        load(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").mkdir()
    with pytest.raises(ConfigInvalid, match=r"model.yaml:1:1: cannot be read \(Is a directory\)"):
        load(tmp_path / "model.yaml")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "expected a file, but this is a pipe or a device"),
        (lambda path: path.symlink_to(path), r"cannot be read \(Too many levels of symbolic"),
        (lambda path: path.symlink_to(path.parent / "gone"), "a link to what is not there"),
        (lambda path: path.symlink_to("/dev/zero"), "expected a file, but this is a pipe or a dev"),
    ],
)
def test_only_a_file_is_read_and_nothing_is_waited_for(
    tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    make(tmp_path / "model.yaml")
    with pytest.raises(ConfigInvalid, match=said):
        load(tmp_path / "model.yaml")


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "{}"])
def test_nothing_written_means_the_defaults(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "model.yaml"
    if text is not None:
        file.write_text(text)
    assert load(file) == ModelConfig()


def test_what_is_written_arrives(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(
        "batching: {max_rows: 8, max_delay_ms: 1, queue_rows: 16, deadline_ms: 200,\n"
        "  split_oversize: true,\n"
        "  allowed_rows: [1, 8],\n"
        "  priorities: 3, default_priority: 2, tenant_header: x-team,\n"
        "  max_cost: 100, cost: [rows, {elements: x}, {bytes: x}, {value: x}],\n"
        "  join: {x: {pad: {value: 1, sizes: [4, 8]}}, r: ragged, s: stack, p: pad},\n"
        "  like: {y: x, z: r}}\n"
        "placement: {gpus: 0.5, lanes: 2, isolation: own, replicas: {min: 2, max: 2}}\n"
        "repeatable: true\nparameters: {factor: 3, names: [a, b]}\n"
        "inputs: [{name: x, datatype: FP32, shape: [3, -1]}]\n"
    )
    config = load(file)
    assert [one.facts() for one in config.batching.cost] == [
        "rows",
        {"elements": "x"},
        {"bytes": "x"},
        {"value": "x"},
    ]
    join = config.batching.join
    assert join["x"].pad == Pad(value=1.0, sizes=(4, 8))
    assert (join["r"].ragged, join["s"].stack, join["p"].pad) == (True, True, Pad())
    assert config.batching.like == {"y": "x", "z": "r"}
    assert config.batching.model_dump(exclude={"cost", "join", "like"}) == {
        "max_rows": 8,
        "max_delay_ms": 1.0,
        "split_oversize": True,
        "unbatched": False,
        "queue_rows": 16,
        "deadline_ms": 200.0,
        "allowed_rows": (1, 8),
        "priorities": 3,
        "default_priority": 2,
        "tenant_header": "x-team",
        "max_cost": 100,
    }
    assert (config.placement.gpus, config.placement.lanes) == (0.5, 2)
    assert config.placement.replicas.min == 2
    assert config.repeatable is True
    assert config.parameters == {"factor": 3, "names": ["a", "b"]}
    assert config.inputs is not None
    assert config.inputs[0].shape == (3, -1)


def test_no_key_is_both_known_and_refused() -> None:
    sections: list[type[Section]] = [Section, *Section.__subclasses__()]
    assert len(sections) > 5
    for section in sections:
        assert not set(section.NOT_YET) & set(section.model_fields)
