"""A locust user that is a whole crowd: it sends requests when they are due, whoever still waits."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from headrace_load import arrivals
from headrace_load.pacer import Sent, pace
from headrace_load.record import Record
from headrace_load.senders import Request, sender
from headrace_load.target import Target, metadata_of, sizes, tensors

#: How long answers are waited for once the last request is sent.
GRACE_S = 10.0


class OpenInferenceUser(User):
    """Sends what `requests` returns, in turns, at the moments of `due`.

    One is enough, whatever `--users` says: the load is `--rate`.
    """

    abstract = True
    fixed_count = 1

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.options: Any = environment.parsed_options
        self.target = Target.of(self.host or "http://127.0.0.1:8000")
        self.record = Record()

    def due(self) -> Iterator[float]:
        """Return when requests are due, in seconds since the beginning."""
        seconds = float(self.options.run_time or 0) or float("inf")
        for moment in arrivals.parse(self.options.arrivals, self.options.rate, self.options.seed):
            if moment > seconds:
                return
            yield moment

    def requests(self) -> Sequence[Request]:
        """Return what is sent, in turns."""
        options = self.options
        inputs = metadata_of(self.target, options.model)
        parameters = {}
        if options.timeout_ms is not None:
            parameters["timeout"] = int(1000 * options.timeout_ms)
        if options.priority is not None:
            parameters["priority"] = options.priority
        shapes = [sizes(text) for text in options.shapes or [""]]
        return [
            Request(
                options.model,
                tensors(inputs, each, options.seed + number),
                parameters,
                binary=not options.json_tensors,
            )
            for number, each in enumerate(shapes)
        ]

    @task
    def crowd(self) -> None:
        """Run the whole load once."""
        send = sender(self.target, self.requests(), most=self.options.most, timeout_s=GRACE_S)
        pace(self.due(), send, self._tell, most=self.options.most, grace_s=GRACE_S)
        raise StopUser

    def _tell(self, sent: Sent) -> None:
        self.record.add(sent)
        self.environment.events.request.fire(
            request_type=self.target.protocol.upper(),
            name=self.options.model,
            response_time=1000 * sent.latency,
            response_length=0,
            exception=sent.error,
            context={},
        )

    def on_stop(self) -> None:
        """Write the record, where one is wanted."""
        if self.options.record:
            seconds = float(self.options.run_time or 0) or 1.0
            document = json.dumps(self.record.summary(seconds), indent=2)
            Path(self.options.record).write_text(document + "\n")
