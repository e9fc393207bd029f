"""`headrace front` before a server that is spoken with over HTTP, and over TLS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.local.conftest import LocalServer, ready, start, write_model
from tests.local.test_front import (
    ASKED,
    DOUBLE,
    SLOW,
    X,
    asked,
    fronting,
    infer,
    start_front,
    write_models,
)
from tests.local.tls_proxy import make_certificates, tls_before

SECRET = "t0p-s3cret"


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    folder = tmp_path_factory.mktemp("upstream")
    write_models(folder / "models")
    with ready(folder / "models", folder / "state") as server:
        yield server


@pytest.fixture(scope="module")
def front(upstream: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with fronting(f"http://{upstream.http}", tmp_path_factory.mktemp("front")) as server:
        yield server


@asked(ASKED)
def test_answers_and_errors_are_those_of_the_server(
    upstream: LocalServer, front: LocalServer, protocol: str, x: Any, how: dict[str, Any]
) -> None:
    assert infer(front, protocol, x, **how) == infer(upstream, protocol, x, **how)


def test_a_deadline_ends_the_call_and_the_next_one_is_answered(front: LocalServer) -> None:
    assert infer(front, "grpc", SLOW, timeout=100_000)[0] == "StatusCode.DEADLINE_EXCEEDED"
    assert infer(front, "grpc", X)[1] == (X * 2).tolist()


def test_what_answers_in_parts_says_what_it_needs(front: LocalServer) -> None:
    assert "grpc://HOST:PORT" in front.command("versions", "count")


def test_a_server_that_is_gone_is_found_again(tmp_path: Path) -> None:
    write_model(tmp_path / "models", "double", DOUBLE)
    server = start(tmp_path / "models", tmp_path / "up")
    try:
        server.wait_ready()
        with fronting(f"http://{server.http}", tmp_path / "front") as front:
            assert infer(front, "grpc", X)[0] == "1"
            server.process.kill()
            server.process.wait()
            assert infer(front, "grpc", X, timeout=500_000)[0] == "StatusCode.DEADLINE_EXCEEDED"
            server = start(tmp_path / "models", tmp_path / "up", port=server.port)
            # It waits for the server, as long as it may.
            while infer(front, "grpc", X, timeout=9_000_000)[0] != "1":
                assert server.process.poll() is None
            assert "lost the server at" in front.output()
    finally:
        server.process.kill()
        server.process.wait()


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_tls_with_certificates_of_both_and_a_token(
    upstream: LocalServer, tmp_path: Path, protocol: str
) -> None:
    make_certificates(tmp_path)
    (tmp_path / "token").write_text(f"{SECRET}\n")
    home = tmp_path / "models" / "double" / "1"
    home.mkdir(parents=True)
    with tls_before(getattr(upstream, protocol), tmp_path) as proxy:
        (home / "upstream.yaml").write_text(
            f"url: {protocol}s://{proxy.address}\nca: ../../../ca.pem\n"
            "certificate: ../../../one.pem\nkey: ../../../one.key\ntoken_file: ../../../token\n"
        )
        with ready(tmp_path / "models", tmp_path / "state") as front:
            assert infer(front, "http", X)[1] == (X * 2).tolist()
            assert SECRET not in front.output()
            assert SECRET not in front.command("journal", "double")
        assert protocol == "grpc" or f"authorization: Bearer {SECRET}".encode() in proxy.came
        ca = ("--ca", str(tmp_path / "ca.pem"))
        stranger = start_front(f"{protocol}s://{proxy.address}", tmp_path / "stranger", *ca)
        assert stranger.process.wait(60) == 1, "who has no certificate is not let in"
        unknown = start_front(f"{protocol}s://{proxy.address}", tmp_path / "unknown")
        assert unknown.process.wait(60) == 1
        assert "UnknownIssuer" in unknown.output()
