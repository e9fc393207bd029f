"""What people are shown of texts that have addresses in them."""

import re
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as some

from headrace.registry.redacting import trace, without_secrets

#: All that stands in a line.
PRINTABLE = some.text(string.printable[:95] + "äß€…", min_size=1)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at http://me:secret@host:5000/api", "at http://…@host:5000/api"),
        ("postgresql+pg8000://me:se@cret@host/db?sslmode=x", "postgresql+pg8000://…@host/db?…"),
        ("postgresql://mlflow:pa/ss@db/mlflow is away", "postgresql://…@db/mlflow is away"),
        ("postgresql://mlflow:pa ss@db/mlflow is away", "postgresql://…@db/mlflow is away"),
        ("postgresql://mlflow:a@b c/d@db is away", "postgresql://…@db is away"),
        ("postgresql://mlflow:50/a@db is away", "postgresql://…@db is away"),
        ("postgresql://m:a?b@db/mlflow?x=y is away", "postgresql://…?… is away"),
        ("postgresql://m:a#b@db/mlflow is away", "postgresql://…?… is away"),
        ("http://token@host", "http://…@host"),
        ("http://to@ken@host", "http://…@host"),
        ("http://…@host: no photos@champion", "http://…@host: no photos@champion"),
        ("s3://bucket/key?X-Signature=a,b twice", "s3://bucket/key?… twice"),
        ("http://host?token=a@b twice", "http://…?… twice"),
        ("http://host:80/?token=a@b twice", "http://…?… twice"),
        ("header 'Bearer tok-1' is bad", "header 'Bearer …' is bad"),
        ("is it up? sqlite:///a/b.db", "is it up? sqlite:///a/b.db"),
        ("write to me@host.org", "write to me@host.org"),
        ("http://a/b and write to me@host", "http://a/b and write to me@host"),
        ("http://a and write to me@host", "http://a and write to me@host"),
        ("http://a:5000 has no photos@champion", "http://a:5000 has no photos@champion"),
        ("http://a:5000, or photos@champion", "http://a:5000, or photos@champion"),
        ("'http://a:5000': photos@champion", "'http://a:5000': photos@champion"),
        ("http://a: no photos@champion", "http://a: no photos@champion"),
        ("http://[::1]:5000/a has no photos@b", "http://[::1]:5000/a has no photos@b"),
        # Where one has to choose, words go.
        ("http://me:secret@host has no photos@champion", "http://…@champion"),
        ("http://me:secret@host\nand photos@champion", "http://…@host\nand photos@champion"),
    ],
)
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    environ = {"MLFLOW_TRACKING_TOKEN": "tok-1", "SHORT_KEY": "i", "OTHER": "host"}
    assert without_secrets(text, environ) == shown


@pytest.mark.parametrize(
    ("address", "text", "shown"),
    [
        ("http://me:secret@host", "http://me:secret@host: a@b", "http://…@host: a@b"),
        ("http://me:12 34@host", "http://me:12 34@host: a@b", "http://…@host: a@b"),
        ("http://me:secret@host", "no user me with secret", "no user me with …"),
        ("http://me:se%2Fcret@host", "se/cret, se%2Fcret", "…, …"),
        ("http://me:se/cret@host", "se/cret, se%2Fcret", "…, …"),
        # What libraries say that end it elsewhere.
        ("db://me:word@pass@host", "no such host pass@host", "no such host …@host"),
        ("db://me:word/pass@host", "no such port 'word'", "no such port '…'"),
        ("db://me:abc@host", "the alphabet begins with abc", "the alphabet begins with abc"),
        ("http://host/a@b", "host/a@b", "host/a@b"),
        ("http://host:5000", "host:5000", "host:5000"),
        ("no address", "no address", "no address"),
    ],
)
@pytest.mark.parametrize("is_of_the_environment", [True, False])
def test_of_a_known_address_nothing_is_guessed(
    address: str, text: str, shown: str, is_of_the_environment: bool
) -> None:
    if is_of_the_environment:
        assert without_secrets(text, {"MLFLOW_TRACKING_URI": address}) == shown
    else:
        assert without_secrets(text, {}, [address]) == shown


@given(PRINTABLE)
def test_no_password_of_a_known_address_is_shown(password: str) -> None:
    address = f"db://me:{password}@h/n"
    assume(password not in "db://…@h/n")
    assert without_secrets(address, {}, [address]) == "db://…@h/n"
    if len(password) >= 4:
        assert password not in without_secrets(f"it was {password}, too", {}, [address])


@given(PRINTABLE)
def test_no_password_of_an_address_in_a_text_is_shown(password: str) -> None:
    # Words that follow an address begin so.
    is_port = re.match(r"\d{1,5}([\s/?#'\"),;.\]]|$)", password)
    assume(not password[0].isspace() and not (is_port and " " in password))
    told = without_secrets(f"cannot reach db://me:{password}@host/name", {})
    assert told in ("cannot reach db://…@host/name", "cannot reach db://…?…")


@pytest.mark.parametrize(
    "said", ["of AccountKey=c2Vj/cmV0Cg==;x", "signed by c2Vj/cmV0Cg==", "{whole}"]
)
def test_no_key_of_a_connection_string_is_shown(said: str) -> None:
    whole = "DefaultEndpointsProtocol=https;AccountName=me;AccountKey=c2Vj/cmV0Cg=="
    shown = without_secrets(
        said.format(whole=whole), {"AZURE_STORAGE_CONNECTION_STRING": whole, "HOME": "/root"}
    )
    assert "c2Vj" not in shown
    assert "…" in shown


def test_a_traceback_shows_where_it_was_and_no_secret() -> None:
    try:
        raise ConnectionError("no answer from http://me:secret@host") from OSError("s3://a/b?sig=c")
    except ConnectionError as error:
        told = trace(error)
    assert told.endswith("ConnectionError: no answer from http://…@host")
    assert "test_a_traceback_shows_where_it_was" in told
    assert "OSError: s3://a/b?…\n" in told
