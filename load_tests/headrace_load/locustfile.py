"""Load any server of the Open Inference Protocol, with locust's own reports.

    locust -f load_tests/headrace_load/locustfile.py --headless --run-time 30s \\
        --host http://127.0.0.1:8000 --model identity --rate 500 --arrivals poisson \\
        --html report.html --csv report --record report.json

Without code it takes the inputs from the model's metadata and fills them with random numbers. For a
load of your own, subclass `OpenInferenceUser` and say what it sends.
"""

from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser

from headrace_load.user import OpenInferenceUser


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def _arguments(parser: LocustArgumentParser, **_: Any) -> None:
    of = parser.add_argument_group("open inference")
    add = of.add_argument
    add("--model", required=True, help="the model's name")
    add("--rate", type=float, default=100.0, help="requests a second (100); up to some 2000")
    add(
        "--arrivals",
        default="poisson",
        help="poisson, constant, bursts:SIZE, or trace:FILE with a moment in seconds on each line",
    )
    add(
        "--shapes",
        action="append",
        help="x:1,3,224,224;y:1,8 (sizes with the batch axis); given again, they take turns",
    )
    add("--timeout-ms", type=float, help="the protocol's timeout of each request")
    add("--priority", type=int, help="the protocol's priority: 1 is the highest")
    add("--json-tensors", action="store_true", help="HTTP: write tensors as JSON numbers")
    add("--most", type=int, default=2000, help="requests under way before others are dropped")
    add("--seed", type=int, default=1, help="of arrivals and data")
    add("--record", help="write what the run came to into this file, as JSON")


class AnyModel(OpenInferenceUser):
    """Whatever the command line names."""
