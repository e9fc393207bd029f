"""`headrace bench` loads two servers in turns and tells what became of every request."""

import json
import subprocess
import sys
from typing import Any


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace", "bench", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_two_servers_get_the_same_load(server: Any) -> None:
    ran = bench(
        *("pair", "--url", f"http://{server.http}", "--against", f"grpc://{server.grpc}"),
        *("--rate", "40", "--seconds", "1", "--rounds", "2", "--arrivals", "constant", "--json"),
    )
    assert ran.returncode == 0, ran.stderr
    runs = json.loads(ran.stdout)
    assert [run["url"][:4] for run in runs] == ["http", "grpc"] * 2
    for run in runs:
        assert (run["due"], run["answered"], run["errors"], run["dropped"]) == (40, 40, {}, 0)
        assert run["latency_ms"]["p50"] > 0
        assert run["rows_a_batch"] >= 1
    assert "40 of 40 answered" in ran.stderr


def test_the_table_compares(server: Any) -> None:
    urls = (f"http://{server.http}", f"grpc://{server.grpc}")
    ran = bench(
        *("pair", "--url", urls[0], "--against", urls[1], "--rate", "20", "--seconds", "0.5"),
        *("--rounds", "1", "--shapes", "a:2,4;b:2,4", "--priority", "1", "--timeout-ms", "30000"),
    )
    assert ran.returncode == 0, ran.stderr
    assert "TIMES AS GOOD" in ran.stdout
    assert "p99 ms" in ran.stdout


def test_what_cannot_be_loaded_says_why(server: Any) -> None:
    url = f"http://{server.http}"
    for options, said in (
        (("nobody", "--url", url), "nobody"),
        (("pair", "--url", "ftp://x:1"), "expected http://HOST:PORT or grpc://HOST:PORT"),
        (("pair", "--url", "http://127.0.0.1:1"), "127.0.0.1"),
        (("pair", "--url", url, "--arrivals", "never"), "expected poisson, constant"),
        (("pair", "--url", url, "--shapes", "c:1"), "no input 'c'; it has a, b"),
        (("pair", "--url", url, "--rate", "0"), "expected a rate above 0"),
    ):
        ran = bench(*options)
        assert ran.returncode == 1, ran.stdout
        assert said in ran.stderr
        assert "Traceback" not in ran.stderr
