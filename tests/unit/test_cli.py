import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from headrace.cli import exchange, show
from headrace.cli.commands import app
from headrace.cli.inferring import made_up, tensors, to_call
from headrace.cli.tables import error_lines, error_rows, log_lines, status_lines
from headrace.errors import RepositoryInvalid
from headrace.execution.payload import Payload, PayloadInvalid, read
from headrace.models import Tensor

X = Tensor("x", "FP32", [2])
PICTURE = Tensor("image", "BYTES", [1])


@pytest.mark.parametrize("name", ["two words", "-x", ".hidden"])
def test_a_name_that_urls_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    result = CliRunner().invoke(app, ["new", "--", str(tmp_path / name)])
    assert "is no name for a model" in str(result.exception)
    result = CliRunner().invoke(app, ["new", str(tmp_path / "9")])
    assert "'9' names a version" in str(result.exception)


@pytest.mark.parametrize(
    "command",
    ["new", "check", "convert", "serve", "status", "infer", "logs", "errors", "bench", ""],
)
def test_help_teaches(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"] if command else ["--help"])
    assert result.exit_code == 0
    assert len(result.output.split()) > 20


@pytest.mark.parametrize(
    ("file", "content", "inputs", "values"),
    [
        ("x.json", "[[1, 2]]", [X], {"x": [[1, 2]]}),
        ("x.json", '{"x": [[1, 2]], "y": [["a"]]}', [X, Tensor("y", "BYTES", [1])], None),
        (
            "x.json",
            '{"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}',
            [X],
            {"x": [[1, 2]]},
        ),
    ],
)
def test_json_is_read_as_values_a_mapping_or_a_request(
    tmp_path: Path, file: str, content: str, inputs: list[Tensor], values: Any
) -> None:
    path = tmp_path / file
    path.write_text(content)
    payload = read(path, inputs)
    assert {name: one.tolist() for name, one in payload.arrays.items()} == (
        values or {"x": [[1, 2]], "y": [["a"]]}
    )


@pytest.mark.parametrize(
    ("name", "content", "inputs", "said"),
    [
        ("x.json", "[1", [X], "Expecting"),
        ("x.json", "[1]", [X, PICTURE], r"the model takes x FP32\[2\], image BYTES\[1\]"),
        ("x.json", '{"z": 1}', [X], "x.json has z"),
        ("x.json", '[["a"]]', [X], "could not convert"),
        ("x.json", '{"inputs": [{"name": "z", "shape": [1], "data": [1]}]}', [X], "has z; the"),
        ("x.json", '{"inputs": [{"name": "x", "data": [1]}]}', [X], "should have name, shape"),
        ("x.json", "[" * 100_000, [X], "x.json: "),
        ("x.npy", "", [X], r"x.npy cannot be read as a .npy array: .*numpy.save\(\)"),
        ("x.npy", "\x93NUMPY torn", [X], "x.npy cannot be read as a .npy array"),
        ("x.jpg", "", [X], r"is a picture, but the model takes x FP32\[2\]"),
        ("x.txt", "", [X], "expected .json, .npy, .jpg"),
    ],
)
def test_a_file_that_does_not_fit_is_explained(
    tmp_path: Path, name: str, content: str, inputs: list[Tensor], said: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(PayloadInvalid, match=said):
        read(tmp_path / name, inputs)


def test_an_array_of_another_type_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((1, 2)))
    with pytest.raises(PayloadInvalid, match=r"the file holds float64: save it with \.astype"):
        read(tmp_path / "x.npy", [X])


def test_an_array_of_objects_and_an_archive_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{}, None], dtype=object))
    with pytest.raises(PayloadInvalid, match="of numbers and not of objects"):
        read(tmp_path / "x.npy", [X])
    with (tmp_path / "y.npy").open("wb") as file:
        np.savez(file, x=np.ones(2))
    with pytest.raises(PayloadInvalid, match="holds several arrays"):
        read(tmp_path / "y.npy", [X])


@pytest.mark.parametrize("engine", ["ray", "local"])
@pytest.mark.parametrize("first", ["-1", "0", "65533", "65536"])
def test_ports_that_are_no_four_in_a_row_are_refused(engine: str, first: str) -> None:
    result = CliRunner().invoke(app, ["serve", "--ports", first, "--engine", engine])
    assert result.exit_code == 2
    assert f"expected 1 to 65532, not {first}" in " ".join(result.output.split())


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x"])
def test_a_folder_that_cannot_be_written_to_is_named(place: str) -> None:
    result = CliRunner().invoke(app, ["new", place])
    assert isinstance(result.exception, RepositoryInvalid)
    assert f"{place} cannot be written to" in str(result.exception)


def test_a_picture_goes_over_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(b"\x89PNG")
    payload = read(path, [PICTURE])
    call = exchange.call("h:1", "models/photos", payload, [PICTURE], [])
    assert call == exchange.Call(
        "http://h:1/v2/models/photos/infer", {"Content-Type": "image/png"}, b"\x89PNG"
    )
    assert show.curl(call, payload, tmp_path / "body") == (
        "curl -s http://h:1/v2/models/photos/infer -H 'Content-Type: image/png' "
        f"--data-binary @{path}"
    )


def test_a_picture_with_parameters_goes_over_as_an_element(tmp_path: Path) -> None:
    path = tmp_path / "cat.webp"
    path.write_bytes(b"RIFF!")
    payload = replace(read(path, [PICTURE]), parameters={"sequence_id": 7})
    call = exchange.call("h:1", "models/photos", payload, [PICTURE], [])
    head = int(call.headers[exchange.HEADER_LENGTH])
    assert json.loads(call.body[:head]) == {
        "inputs": [
            {
                "name": PICTURE.name,
                "shape": [1, *PICTURE.shape],
                "datatype": "BYTES",
                "parameters": {"binary_data_size": 9},
            }
        ],
        "parameters": {"sequence_id": 7},
    }
    assert call.body[head:] == b"\x05\0\0\0RIFF!"
    scratch = tmp_path / "body"
    assert show.curl(call, payload, scratch).endswith(f"--data-binary @{scratch}")
    assert scratch.read_bytes() == call.body


def test_a_picture_that_cannot_be_read_is_an_error_in_words(tmp_path: Path) -> None:
    payload = Payload(tmp_path / "gone.png", media_type="image/png")
    with pytest.raises(PayloadInvalid, match=r"gone\.png cannot be read: No such file"):
        exchange.call("h:1", "models/photos", payload, [PICTURE], [])


def test_what_json_cannot_say_goes_over_and_comes_back_as_bytes() -> None:
    half = Tensor("h", "FP16", [2])
    payload = Payload(None, arrays={"h": np.array([[1, 2]], np.float16)})
    call = exchange.call("h:1", "models/m", payload, [half], [half, X])
    length = int(call.headers[exchange.HEADER_LENGTH])
    head = json.loads(call.body[:length])
    assert head["inputs"][0]["parameters"] == {"binary_data_size": 4}
    assert [one["parameters"]["binary_data"] for one in head["outputs"]] == [True, False]
    back = json.dumps(
        {
            "model_name": "m",
            "outputs": [
                {
                    "name": "h",
                    "datatype": "FP16",
                    "shape": [1, 2],
                    "parameters": {"binary_data_size": 4},
                }
            ],
        }
    ).encode()
    found = exchange.answer(back + call.body[length:], {exchange.HEADER_LENGTH: str(len(back))})
    assert found["outputs"][0]["data"] == [1.0, 2.0]
    assert exchange.lines(found) == ["m", "h FP16[1, 2]: [[1., 2.]]"]


def test_code_for_a_client_is_a_program() -> None:
    inputs = [X, PICTURE, Tensor("b f", "BF16", [-1])]
    payload = made_up(inputs, in_parts=False)
    code = show.python("h:1", "m", "2", payload, inputs)
    compile(code, "shown", "exec")
    assert "http.InferInput('b f', list(value_b_f.shape), 'BF16')" in code
    assert "client.infer('m', [input_x, input_image, input_b_f], model_version='2')" in code


def test_metadata_has_the_batch_axis_first() -> None:
    assert tensors([{"name": "x", "datatype": "FP32", "shape": [-1, 2]}]) == [X]


@pytest.mark.parametrize(
    ("address", "url", "expected"),
    [
        ("127.0.0.1:8000", "http://10.0.0.1:8003", "127.0.0.1:8000"),
        ("0.0.0.0:8000", "http://10.0.0.1:8003", "10.0.0.1:8000"),
        ("[::]:8000", "http://[fe80::1]:8003", "[fe80::1]:8000"),
    ],
)
def test_a_server_that_listens_everywhere_is_where_its_console_is(
    address: str, url: str, expected: str
) -> None:
    assert to_call(address, url) == expected


def test_tables_are_aligned_and_say_everything() -> None:
    version = {
        "version": 12,
        "process": "photos/12",
        "state": "failed",
        "reason": "OSError: no weights\nmore",
        "hosts": 0,
        "hosts_wanted": 1,
        "share_percent": 0.0,
        "waiting": 3,
        "in_flight": 4,
        "for_s": 61.4,
        "deaths": 2,
        "last_death": "at 12:00:01: Segmentation fault",
    }
    status = {
        "memory_bytes": {"photos/12": 300 << 20},
        "ready": False,
        "draining": "",
        "engine": "ray",
        "addresses": {"http": "127.0.0.1:8000"},
        "models": [{"name": "photos", "versions": [version]}],
        "lost": [],
    }
    served = {**version, "process": "shared", "state": "ready", "reason": "loaded"}
    head, columns, row = status_lines(status)
    assert head == "not ready; engine ray; http 127.0.0.1:8000"
    assert columns.index("REASON") == row.index("OSError: no weights …")
    assert row.endswith("OSError: no weights …")
    assert "failed for 61 s" in row
    assert columns.index("MEMORY") == row.index("300 MiB  ")
    status = {**status, "memory_bytes": {"shared": 300 << 20}}
    *_, row = status_lines({**status, "models": [{"name": "m", "versions": [served]}]})
    assert "  300 MiB (shared)  " in row
    assert row.endswith("loaded; 2 hosts died, the last one at 12:00:01: Segmentation fault")
    fronted = {**served, "last_death": ""}
    *_, row = status_lines({**status, "models": [{"name": "m", "versions": [fronted]}]})
    assert row.endswith("loaded; its server was lost 2 times")
    gone = {"model": "m", "version": 3, "share_percent": 12.5, "reason": "none such"}
    *_, row = status_lines({**status, "lost": [gone]})
    assert row == "lost m/3, had 12.5 % of the traffic: none such"
    (line,) = log_lines([{"unix_ms": 0, "speaker": "photos/1", "text": "hi"}])
    assert line.endswith(" photos/1 | hi")
    error = {
        "id": "e-1",
        "kind": "internal",
        "note": "no",
        "unix_ms": 1,
        "model": "m",
        "callers": 2,
    }
    assert "told to 2 callers" in "\n".join(error_lines(error))
    assert "e-1" in list(error_rows([error]))[1]
