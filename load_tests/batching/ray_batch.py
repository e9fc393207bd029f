"""The scenario `pull` on Ray Serve's own batching, for contrast: the same device, the same load.

python load_tests/batching/ray_batch.py --seconds 20 --json target/batching-ray.json
"""

import argparse
import asyncio
import json
import sys
from itertools import takewhile
from pathlib import Path
from typing import Any

import ray
from geventhttpclient import HTTPClient
from ray import serve
from starlette.requests import Request

from headrace_load import arrivals
from headrace_load.pacer import pace
from headrace_load.record import Record

PORT = 8090
RATE, MOST = 250.0, 4000


@serve.deployment(max_ongoing_requests=MOST, ray_actor_options={"num_cpus": 0})
class Serial:
    """A device that takes 50 ms over any batch of up to 32."""

    def __init__(self) -> None:
        self.device = asyncio.Lock()

    @serve.batch(max_batch_size=32)
    async def predict(self, rows: list[bytes]) -> list[bytes]:
        """Wait for the device."""
        async with self.device:
            await asyncio.sleep(0.05)
        return rows

    async def __call__(self, request: Request) -> bytes:
        """Answer with what was sent."""
        return bytes(await self.predict(await request.body()))


def main() -> int:
    """Load it; print and write what it came to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ray.init(include_dashboard=False, log_to_driver=False)
    serve.start(http_options={"port": PORT})
    serve.run(Serial.bind())
    client = HTTPClient("127.0.0.1", PORT, concurrency=MOST, network_timeout=120)

    def send(_: int) -> None:
        answer = client.post("/", body=b"x" * 16)
        if answer.read() != b"x" * 16:
            raise ValueError(f"{answer.status_code}")

    record = Record()
    due = takewhile(lambda moment: moment < options.seconds, arrivals.poisson(RATE, seed=1))
    pace(due, send, record.add, most=MOST, grace_s=120)
    figures: dict[str, Any] = {"pull": record.summary(options.seconds)}
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    serve.shutdown()
    ray.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
