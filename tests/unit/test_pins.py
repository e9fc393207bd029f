"""Who may name a version, as the command line and the environment say."""

from pathlib import Path

import pytest

from headrace.config import pins
from headrace.config.options import ServeOptions
from headrace.config.pins import Pins
from headrace.errors import ConfigInvalid

KEY = "secret-0123456789"


@pytest.mark.parametrize(
    ("header", "key", "says"),
    [
        ("x-pin", None, "--pin-header is set, and HEADRACE_PIN_KEY is not"),
        ("x-pin", "", "--pin-header is set, and HEADRACE_PIN_KEY is not"),
        ("", KEY, "HEADRACE_PIN_KEY is set, and --pin-header is not"),
        ("x pin", KEY, "the name of a header"),
        ("x" * 129, KEY, "the name of a header"),
        ("x-pin", KEY[:15], "16 to 512 visible ASCII"),
        ("x-pin", KEY + "\n", "16 to 512 visible ASCII"),
        ("x-pin", "k" * 513, "16 to 512 visible ASCII"),
        ("x-pin", "kä" * 9, "16 to 512 visible ASCII"),
    ],
)
def test_what_would_let_in_anybody_or_nobody_is_refused(
    header: str, key: str | None, says: str
) -> None:
    with pytest.raises(ConfigInvalid, match=says) as error:
        pins.read(header, key)
    assert not key or key not in str(error.value)


def test_nobody_is_told_the_key() -> None:
    assert pins.read("", None) is None
    options = ServeOptions(Path(), pins=pins.read("X-Pin", KEY))
    assert options.pins == Pins("x-pin", KEY)
    assert KEY not in repr(options)
    assert options.environ == {"HEADRACE_PIN_KEY": KEY}
    told = options.gateway(1, 0, b"")
    assert told["pins"]["header"] == "x-pin"
    assert KEY not in str(told)
    assert ServeOptions(Path()).gateway(1, 0, b"")["pins"] is None
