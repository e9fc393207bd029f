"""Addresses of hooks, and the secret that signs."""

from pathlib import Path
from typing import Any

import pytest

from headrace.config import hooks
from headrace.config.options import DATABASE, ServeOptions
from headrace.errors import ConfigInvalid

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://a.org/x?token=1", ("https", "a.org", None, "/x?token=1", None)),
        ("https://me:p%40ss@a.org:8443", ("https", "a.org", 8443, "/", ("me", "p@ss"))),
        ("http://127.0.0.1:9/", ("http", "127.0.0.1", 9, "/", None)),
        ("http://[::1]/x", ("http", "::1", None, "/x", None)),
        ("http://localhost/", ("http", "localhost", None, "/", None)),
        ("cleartext:http://ci.internal/x", ("http", "ci.internal", None, "/x", None)),
    ],
)
def test_an_address_is_read_as_it_is(url: str, where: tuple[Any, ...]) -> None:
    (one,) = hooks.read([url], SECRET).hooks
    assert (one.scheme, one.host, one.port, one.target, one.user) == where


@pytest.mark.parametrize(
    ("urls", "secret", "why"),
    [
        (["https://a.org"], None, "without a secret .* set HEADRACE_HOOK_SECRET to whsec_"),
        (["https://a.org"], "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin with whsec_"),
        (["https://a.org"], "whsec_no base64", "is no base64"),
        (["https://a.org"], "whsec_QUJD", "has 3 bytes: set .* 24 to 64 random bytes"),
        (["http://a.org"], SECRET, "http:// to a.org, where others can read .* cleartext:http://"),
        (["http://127.0.0.1.a.org"], SECRET, "write cleartext:http://"),
        (["ftp://a.org"], SECRET, "hook 1 is no address to post to: expected https://HOST/PATH"),
        (["https:///x"], SECRET, "no address to post to"),
        (["https://a.org:0"], SECRET, "no address to post to"),
        (["https://a.org#x"], SECRET, "no address to post to"),
        (["https://a.org:99999"], SECRET, "hook 1 is no URL"),
        (["https://a.org/\r\nX: y"], SECRET, "characters that no URL has"),
        (["https://a.org/\u00e9"], SECRET, "characters that no URL has: write them as %XX"),
        ([f"https://a.org/{'x' * 2048}"], SECRET, "hook 1 has 2062 characters"),
        (["https://a.org"] * 2, SECRET, "given twice"),
        ([f"https://a.org/{one}" for one in range(9)], SECRET, "9 hooks: expected at most 8"),
    ],
)
def test_what_cannot_be_told_is_refused(urls: list[str], secret: str | None, why: str) -> None:
    with pytest.raises(ConfigInvalid, match=why) as refused:
        hooks.read(urls, secret)
    assert SECRET[6:] not in str(refused.value)


def test_nothing_is_shown_that_lets_one_in() -> None:
    given = hooks.read(["https://myself:word@a.org:1/T0KEN?sig=T0KEN", "https://b.org"], SECRET)
    assert [one.shown for one in given.hooks] == ["https://a.org:1/…", "https://b.org"]
    for secret in ("myself", "word", "T0KEN", SECRET[6:]):
        assert secret not in repr(given)
    # What waits for one is found again, whatever its number is.
    assert given.hooks[1].folder == hooks.read(["https://b.org"], SECRET).hooks[0].folder


def test_a_run_that_begins_anew_is_given_what_was_taken_out_of_the_environment() -> None:
    given = hooks.read(["cleartext:http://a.org", "https://b.org"], SECRET)
    options = ServeOptions(Path(), database="x", hooks=given)
    assert options.environ == {
        DATABASE: "x",
        hooks.HOOKS: "cleartext:http://a.org https://b.org",
        hooks.SECRET: SECRET,
    }
    assert ServeOptions(Path()).environ == {}
