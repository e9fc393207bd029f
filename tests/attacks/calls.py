"""Hostile gRPC messages, paths and metadata."""

import struct
from typing import Any, Final

from tests.attacks import messages
from tests.attacks.catalogue import attack
from tests.attacks.http2 import STREAM, call_headers
from tests.attacks.messages import ELEMENTS, MOST_BODY, prefixed
from tests.attacks.target import Target
from tritonclient.grpc import service_pb2

RAW: Final = bytes(4 * ELEMENTS)
OK: Final = ("", "0")


def refused(target: Target, body: bytes, extra: list[tuple[str, str]] | None = None) -> None:
    """Send a call that is wrong: it ends with a status, or its connection does."""
    with target.session() as session:
        try:
            got = session.call(body, [*call_headers(), *(extra or [])])
        except ConnectionError:
            return
    refused_it = (
        got.status not in OK or got.headers.get(":status") != "200" or got.reset is not None
    )
    assert refused_it or not target.strict, f"{body[:40]!r} is answered with {got.status!r}"


@attack()
def mutated_messages(target: Target) -> None:
    """A good message with bytes changed, cut and doubled, thousands of times."""
    good = messages.good_call([1.0] * ELEMENTS)
    dice = target.dice
    session = target.session()
    for _ in range(target.many(4000, 1000)):
        body = bytearray(good)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(body))
            if dice.randrange(3):
                body[at] = dice.randrange(256)
            else:
                body[at : at + 4] = body[at : at + 4] * dice.randrange(3)
        try:
            got = session.call(prefixed(bytes(body)))
        except ConnectionError:
            session.socket.close()
            session = target.session()
            continue
        assert got.status in ("0", "3", "5", "12") or not target.strict, f"{bytes(body)!r}: {got}"
    session.socket.close()


@attack()
def prefixes_that_lie(target: Target) -> None:
    """Prefixes with a wrong length, a wrong flag, cut, doubled, and followed by more."""
    good = messages.good_call([1.0] * ELEMENTS)
    whole = prefixed(good)
    for body in (
        *(b"", b"\0", whole[:4], whole[:5], whole[:-1], whole + b"\0", whole + whole),
        *(b"\0" + struct.pack(">I", size) + good for size in (0, 1, len(good) - 1, len(good) + 1)),
        *(bytes([flag]) + whole[1:] for flag in (1, 2, 3, 127, 128, 254, 255)),
        b"\0" + struct.pack(">I", len(good)) + bytes(len(good)),
    ):
        refused(target, body)
    # Sent without an end, so that only the prefix can tell.
    for size in (MOST_BODY + 1, (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
        with target.session() as session:
            stream = session.open(call_headers())
            session.data(stream, b"\0" + struct.pack(">I", size) + b"x" * 100, end=False)
            if target.strict:
                got = session.wait(stream)
                assert got.status == "3", f"{size} bytes: {got}"


@attack(peak_mib=500)
def giant_messages(target: Target) -> None:
    """Messages of 60 MiB that are one string, one field, or millions of them."""
    size = target.many(60 << 20, 12 << 20)
    long = b"a" * size
    varint = bytes(
        [0x80 | size & 127, 0x80 | size >> 7 & 127, 0x80 | size >> 14 & 127, size >> 21 & 127]
    )
    for field in (1, 2, 3, 7):
        refused(target, prefixed(bytes([field << 3 | 2]) + varint + long))
    refused(target, prefixed(b"\x2a\x00" * (size // 2)))
    refused(target, prefixed(b"\x32\x00" * (size // 2)))
    refused(target, prefixed(b"\x3a\x00" * (size // 2)))
    refused(target, prefixed(b"\x22\x00" * (size // 2)))
    refused(target, prefixed(messages.call(RAW, (1,) * (size // 8))))
    typed = service_pb2.ModelInferRequest(model_name="identity")
    one = typed.inputs.add(name="x", datatype="INT64", shape=(1, size // 8))
    one.contents.int64_contents.extend([1] * (size // 8))
    refused(target, prefixed(typed.SerializeToString()))


@attack()
def hostile_messages(target: Target) -> None:
    """Shapes, versions, names, texts and parameters that no honest client sends."""
    shapes: list[tuple[int, ...]] = [
        (-1, 16),
        (1 << 62, 16),
        (1 << 32, 1 << 32),
        (0, 16),
        (1, 0),
        (),
    ]
    shapes += [(65, 16), (-(1 << 63), 16), (1, -16), (1,) * 5000, (2,) * 64, (16,)]
    changes: list[dict[str, Any]] = [
        {"model_name": name} for name in ("", "none", "a" * 100_000, "../x", "\0")
    ]
    changes += [{"model_version": one} for one in ("abc", "-1", "0", "9" * 20, "9" * 100_000, "\n")]
    changes += [
        {"id": "a" * (4 << 20)},
        {"raw_input_contents": []},
        {"raw_input_contents": [RAW] * 5000},
    ]
    changes += [{"raw_input_contents": [RAW[:-1]]}, {"raw_input_contents": [RAW + b"x"]}]
    for shape in shapes:
        refused(target, prefixed(messages.call(RAW, shape)))
    for change in changes:
        refused(target, prefixed(messages.call(RAW, **change)))
    for name, value in (("sequence_start", 1), ("triton_x", 1), ("timeout", -1), ("priority", -1)):
        request = service_pb2.ModelInferRequest.FromString(messages.call(RAW))
        request.parameters[name].int64_param = value
        refused(target, prefixed(request.SerializeToString()))
    texts = service_pb2.ModelInferRequest.FromString(messages.call(RAW))
    texts.parameters["p"].string_param = "a" * (8 << 20)
    refused(target, prefixed(texts.SerializeToString()))
    keys = service_pb2.ModelInferRequest.FromString(messages.call(RAW))
    keys.parameters["k" * (4 << 20)].bool_param = True
    refused(target, prefixed(keys.SerializeToString()))
    many = service_pb2.ModelInferRequest.FromString(messages.call(RAW))
    for at in range(10_000):
        many.parameters[f"p{at}"].bool_param = True
        many.inputs.add(name="x", datatype="FP32", shape=(1, 16))
        many.outputs.add(name="y")
    refused(target, prefixed(many.SerializeToString()))


@attack()
def bad_paths_and_metadata(target: Target) -> None:
    """Methods that are none, metadata that is hostile, and requests that are not gRPC."""
    good = prefixed(messages.good_call([1.0] * ELEMENTS))
    service = "/inference.GRPCInferenceService/"
    plain = call_headers()
    sent = [
        call_headers(path)
        for path in ("/", "//", "/x", service, service + "Nothing", "/../..", "*", "")
    ]
    sent += [call_headers(service + "a" * 60_000), call_headers("/\x00"), call_headers("/%00")]
    for name, value in (
        *(
            ("grpc-timeout", value)
            for value in ("", "1", "-1S", "123456789S", "1X", "S", "9" * 1000 + "S")
        ),
        *(("grpc-encoding", value) for value in ("br", "", "a" * 10_000)),
        *(
            ("te", "gzip"),
            ("x-bin", "!!!"),
            ("x" * 60_000, "y"),
            ("x", "y" * 60_000),
            ("connection", "close"),
        ),
        *(
            ("transfer-encoding", "chunked"),
            ("content-length", "1"),
            ("content-length", "-1"),
            ("X", "upper"),
        ),
        *((":path", "/again"), (":unknown", "x"), ("host", "a"), ("x", "a\r\nb: c"), ("x", "\0")),
    ):
        sent.append([*plain, (name, value)])
    sent += [
        [one for one in plain if one[0] != gone] for gone in (":method", ":scheme", ":path", "te")
    ]
    sent += [
        [*plain[:4], ("content-type", kind), plain[5]]
        for kind in ("", "application/json", "text/html")
    ]
    sent += [
        [(":method", "GET"), *plain[1:]],
        [(":method", "CONNECT"), *plain[1:]],
        [*plain[1:], plain[0]],
    ]
    sent += [[*plain, *((f"x{at}", "y") for at in range(3000))], [*plain, *[("x", "y")] * 20_000]]
    for headers in sent:
        with target.session() as session:
            try:
                got = session.call(good, headers)
            except ConnectionError:
                continue
        server_error = got.headers.get(":status", "")[:1] == "5" or got.status in ("2", "13")
        assert not server_error or not target.strict, f"{headers[-1]!r:.80}: {got}"


@attack()
def hostile_streams(target: Target) -> None:
    """Streams with bad messages among good ones, with thousands, and ended in the middle."""
    good = prefixed(messages.good_call([1.0] * ELEMENTS))
    bad = prefixed(b"\xff\xff\xff")
    unknown = prefixed(messages.call(RAW, model_name="none"))
    for body, answers in ((good + bad + unknown + good, 4), (good * 1000, 1000), (b"", 0)):
        with target.session() as session:
            got = session.call(body, call_headers(STREAM))
        found = _count(got.body)
        assert found == answers or not target.strict, (
            f"{answers} requests, {found} answers, {got.status!r}"
        )
    for body in (good[:-1], good + good[:3], good + b"\2" + good[1:], good + b"\0\xff\xff\xff\xff"):
        with target.session() as session:
            got = session.call(body, call_headers(STREAM))
            assert got.status not in OK or not target.strict, f"{got}"
    for at in range(target.many(300, 100)):
        with target.session() as session:
            stream = session.open(call_headers(STREAM))
            session.data(stream, good * 20 + good[: at % 60], end=False)
            if at % 2:
                session.reset(stream)


def _count(body: bytes) -> int:
    count = 0
    while body:
        body = body[5 + struct.unpack(">I", body[1:5])[0] :]
        count += 1
    return count
