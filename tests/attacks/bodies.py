"""Hostile JSON."""

import json
import time
from typing import Any

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http1 import Reply
from tests.attacks.messages import ELEMENTS, MOST_BODY, tensor
from tests.attacks.target import Target


def refused(target: Target, body: bytes, headers: str = "") -> Reply | None:
    """Send a body that is wrong; it is answered as the client's fault, or the connection closed."""
    reply = target.ask(body, headers)
    told = f"{body[:60]!r} is answered with {reply}"
    assert reply is None or 400 <= reply.status < 500 or not target.strict, told
    return reply


@attack()
def mutated_json(target: Target) -> None:
    """A good body with bytes changed, cut, doubled and moved, thousands of times."""
    good = messages.good()
    dice = target.dice
    line = target.http()
    for _ in range(target.many(5000, 1500)):
        body = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            at, to = sorted((dice.randrange(len(body) + 1), dice.randrange(len(body) + 1)))
            what = dice.randrange(4)
            if what == 0 and at < len(body):
                body[at] = dice.randrange(256)
            elif what == 1:
                del body[at : min(to, at + 8)]
            elif what == 2:
                body[at:at] = body[at : at + 8] * dice.randint(1, 3)
            else:
                body[at:at] = dice.choice(
                    [b"[", b"{", b'"', b"\\", b"1e9", b"-", b"\0", b"\xff", b","]
                )
        line.send(messages.post(bytes(body)))
        reply = line.reply()
        fine = reply is not None and (reply.status == 200 or 400 <= reply.status < 500)
        assert fine or not target.strict, f"{bytes(body)!r} is answered with {reply}"
        if reply is None:
            line.socket.close()
            line = target.http()
    line.socket.close()


@attack()
def hostile_shapes(target: Target) -> None:
    """Shapes that are negative, overflow, lie, or have 5,000 dimensions."""
    shapes: list[Any] = [
        *([-1, ELEMENTS], [1, -ELEMENTS], [-1, -ELEMENTS], [0, ELEMENTS], [1, 0], [], [ELEMENTS]),
        *([1 << 62, ELEMENTS], [1 << 32, 1 << 32], [(1 << 63) - 1], [1 << 63, 1], [1 << 64, 1]),
        *(
            [1e300, 1],
            [1.5, 16],
            [True, 16],
            [None, 16],
            ["1", 16],
            [[1], 16],
            [1, {}],
            {},
            None,
            3,
            "1",
        ),
        *(
            [1] * 5000,
            [2] * 5000,
            [65, ELEMENTS],
            [1 << 31, ELEMENTS],
            [ELEMENTS, 1],
            [1, 1, ELEMENTS],
        ),
    ]
    for shape in shapes:
        body = json.dumps({"inputs": [tensor([1] * ELEMENTS) | {"shape": shape}]}).encode()
        refused(target, body)


@attack()
def hostile_values(target: Target) -> None:
    """Numbers of 100,000 digits, words for numbers, and data of other kinds."""
    one: bytes = json.dumps({"inputs": [tensor([1] * ELEMENTS)]}).encode()
    hostile = [
        b"1" * 100_000,
        b"0." + b"1" * 100_000,
        b"1e999999999",
        b"-",
        b"+1",
        b"01",
        b"1e",
        b".5",
    ]
    hostile += [
        b'"1"',
        b"null",
        b"true",
        b"{}",
        b"[" * 50 + b"1",
        b"0x10",
        b"1e-999999999999x",
        b"\xff",
    ]
    for value in hostile:
        target.ask(one.replace(b"[1, 1, 1,", b"[1, " + value + b", 1,"))
    hostile_data: list[Any] = [None, [], {}, 1, "x", [[]], [1] * 15, [1] * 17, [1] * 1_000_000]
    for data in hostile_data:
        refused(target, json.dumps({"inputs": [tensor([]) | {"data": data}]}).encode())


@attack()
def nested_brackets(target: Target) -> None:
    """200,000 brackets within each other, wherever a value may stand."""
    deep = 200_000
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        nested = opening * deep + b"1" + closing * deep
        for body in (
            nested,
            opening * deep,
            b'{"x":' + nested + b"}",
            b'{"parameters":{"x":' + nested + b"}}",
            b'{"inputs":' + nested + b"}",
            b'{"inputs":[{"name":"x","shape":[1,16],"datatype":"FP32","data":' + nested + b"}]}",
        ):
            refused(target, body)


@attack()
def ten_thousand_inputs(target: Target) -> None:
    """10,000 inputs, outputs and parameters, of one name and of many."""
    good = tensor([1] * ELEMENTS)
    many = range(10_000)
    for name in ("x", "x{}", ""):
        named = [good | {"name": name.format(at)} for at in many]
        wanted = [{"name": name.format(at)} for at in many]
        keys = {f"p{at}": 1 for at in many}
        for asked in (
            {"inputs": named},
            {"inputs": [good], "outputs": wanted},
            {"inputs": [good], "parameters": keys},
            {"inputs": [good | {"parameters": keys}]},
        ):
            refused(target, json.dumps(asked).encode())


@attack()
def long_strings(target: Target) -> None:
    """Names, keys, ids and datatypes of 10 MB, plain and escaped."""
    size = target.many(10 << 20, 2 << 20)
    for text in (
        b"a" * size,
        b"\\u0041" * (size // 6),
        b"\\n" * (size // 2),
        b"\\ud83d\\ude00" * (size // 12),
    ):
        for body in (
            b'{"id":"%b","inputs":[]}',
            b'{"%b":1}',
            b'{"parameters":{"p":"%b"},"inputs":[]}',
            b'{"inputs":[{"name":"%b"}]}',
            b'{"inputs":[{"name":"x","datatype":"%b"}]}',
            b'{"inputs":[{"name":"x","shape":[1,1],"datatype":"BYTES","data":["%b"]}]}',
            b'{"inputs":[],"outputs":[{"name":"%b"}]}',
        ):
            refused(target, body % text)


@attack(peak_mib=700)
def bodies_that_grow(target: Target) -> None:
    """Bodies of a few MB whose parts take many times as much once they are read."""
    size = target.many(32 << 20, 8 << 20)
    refused(target, b'{"parameters":{' + b'"":1,' * (size // 5) + b'"":1}}')
    refused(target, b'{"outputs":[' + b'{"name":""},' * (size // 12) + b'{"name":"y"}]}')
    refused(target, b'{"inputs":[{"name":"x","shape":[' + b"1," * (size // 2) + b"1]}]}")
    elements = size // 2
    for datatype in ("FP64", "INT64", "BYTES"):
        one = tensor([], datatype=datatype, shape=[1, elements])
        empty = json.dumps({"inputs": [one]}).encode()
        each = b'"",' if datatype == "BYTES" else b"1,"
        refused(
            target,
            empty.replace(b'"data": []', b'"data":[' + each * (elements - 1) + each[:-1] + b"]"),
        )


@attack(peak_mib=700)
def large_json_beside_small(target: Target) -> None:
    """A body of 60 MiB of numbers, and small requests of others while it is read."""
    elements = target.many((MOST_BODY - (1 << 20)) // 2, 4 << 20)
    one = json.dumps({"inputs": [tensor([], datatype="INT8", shape=[1, elements])]}).encode()
    body = one.replace(b'"data": []', b'"data":[' + b"1," * (elements - 1) + b"1]")
    with target.http(timeout_s=60) as large, target.http() as small:
        large.send(messages.post(body))
        waits = []
        large.socket.settimeout(0)
        while True:
            began = time.monotonic()
            small.send(messages.LIVE)
            small.reply()
            waits.append(time.monotonic() - began)
            try:
                if large.socket.recv(1, 2):  # MSG_PEEK
                    break
            except BlockingIOError:
                continue
        large.socket.settimeout(10)
        large.reply()
    assert max(waits) < 0.25, f"small requests waited up to {max(waits) * 1000:.0f} ms"
