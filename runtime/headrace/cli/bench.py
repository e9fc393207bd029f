"""The command that loads servers."""

from pathlib import Path
from typing import Annotated

import typer

from headrace.vocabulary import FIRST_PORT


def bench(  # noqa: PLR0913 - a parameter is an option
    model: Annotated[str, typer.Argument(help="The model's name.")],
    url: Annotated[
        str, typer.Option(help="http://HOST:PORT or grpc://HOST:PORT.")
    ] = f"grpc://127.0.0.1:{FIRST_PORT + 1}",
    against: Annotated[
        str | None, typer.Option(help="Another server with the same model, loaded in turns.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Requests a second; up to some 2000.")] = 100.0,
    arrivals: Annotated[
        str,
        typer.Option(
            help="poisson, constant, bursts:SIZE, or trace:FILE with a moment in seconds a line."
        ),
    ] = "poisson",
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:SIZE,SIZE",
            help="Sizes of the inputs with the batch axis, as x:1,3,224,224;y:1,8. Given again, "
            "they take turns. Default: what the model declares, and 1 for any size.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="What is sent: a picture, .npy or .json, as for `headrace infer`. Given again, "
            "they take turns. Default: made up.",
        ),
    ] = None,
    timeout_ms: Annotated[
        float | None, typer.Option(help="The protocol's timeout of each request.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option(help="The protocol's priority; 1 is the highest.")
    ] = None,
    json_tensors: Annotated[
        bool, typer.Option("--json-tensors", help="HTTP: tensors as numbers in the JSON.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="Of one run.", min=0.1, max=3600)] = 10.0,
    rounds: Annotated[int, typer.Option(help="Runs of each server.", min=1, max=1000)] = 3,
    most: Annotated[
        int, typer.Option(help="Requests under way before others are dropped.", min=1, max=100_000)
    ] = 2000,
    seed: Annotated[int, typer.Option(help="Of arrivals and data.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Load a server of the Open Inference Protocol, and compare it with another one.

    Requests come when they are due, whoever still waits, and latency counts from then. Both servers
    get the same requests at the same moments, one server after the other. Exits with 1 where a run
    has no answer at all.
    """
    import json

    from headrace.cli import benching

    load = benching.Load(
        model,
        rate,
        arrivals,
        shapes or [],
        data or [],
        timeout_ms,
        priority,
        json_tensors,
        seconds,
        most,
        seed,
    )
    urls = [url] if against is None else [url, against]
    runs = []
    for of, record in benching.measure(load, urls, rounds):
        runs.append((of, record))
        typer.echo(benching.run_line(of, record), err=as_json)
    if as_json:
        typer.echo(json.dumps([{"url": of, **record} for of, record in runs]))
    else:
        typer.echo()
        for line in benching.table(runs, urls):
            typer.echo(line)
    raise typer.Exit(int(not all(record["answered"] for _, record in runs)))
