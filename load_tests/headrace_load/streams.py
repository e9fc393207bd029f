"""Asks for answers in parts (`generate_stream`), and tells when each part was there."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from headrace_load.senders import Refused
from headrace_load.target import Target

#: Yields, for each part, how long after the request it came, in seconds.
Streamer = Callable[[str, Mapping[str, Any]], Iterator[float]]


def streamer(target: Target, *, most: int, timeout_s: float) -> Streamer:
    """Return what asks ``most`` models at once, at most, over HTTP.

    The next part is waited for ``timeout_s`` at most; a fault in the stream raises `Refused`.
    """
    from geventhttpclient import HTTPClient

    client = HTTPClient(
        target.host,
        target.port,
        concurrency=most,
        connection_timeout=timeout_s,
        network_timeout=timeout_s,
    )

    def stream(model: str, inputs: Mapping[str, Any]) -> Iterator[float]:
        began = time.perf_counter()
        answer = client.post(
            f"/v2/models/{model}/generate_stream",
            body=json.dumps(inputs),
            headers={"content-type": "application/json"},
        )
        if answer.status_code != 200:
            raise Refused(f"{answer.status_code} {bytes(answer.read()).decode()}")
        try:
            while event := bytes(answer.readline(b"\n\n")).removeprefix(b"data: ").strip():
                if b'"error"' in event and "error" in (said := json.loads(event)):
                    raise Refused(f"STREAM {said['error']}")
                yield time.perf_counter() - began
        finally:
            answer.release()

    return stream
