"""As whom registries are told."""

import pytest

from headrace.config.account import PASSWORD, TOKEN, USERNAME, read
from headrace.errors import ConfigInvalid

READS = {
    "MLFLOW_TRACKING_USERNAME": "reader",
    "MLFLOW_TRACKING_PASSWORD": "reads",
    "MLFLOW_TRACKING_URI": "http://r",
}


@pytest.mark.parametrize(
    ("environ", "told_by"),
    [
        ({}, READS),
        ({USERNAME: ""}, READS),
        ({TOKEN: "t"}, {"MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_URI": "http://r"}),
        (
            {USERNAME: "writer", PASSWORD: "writes"},
            READS | {"MLFLOW_TRACKING_USERNAME": "writer", "MLFLOW_TRACKING_PASSWORD": "writes"},
        ),
    ],
)
def test_whoever_tells_is_nothing_of_who_reads(
    environ: dict[str, str], told_by: dict[str, str]
) -> None:
    account = read({**environ, "OTHER": "x"})
    assert account.over(READS) == told_by
    assert account.environ == {name: value for name, value in environ.items() if value}
    assert "write" not in repr(account)


@pytest.mark.parametrize("given", [(USERNAME,), (PASSWORD,), (USERNAME, TOKEN), (PASSWORD, TOKEN)])
def test_half_an_account_is_refused_without_its_secret(given: tuple[str, ...]) -> None:
    with pytest.raises(ConfigInvalid, match="is no account to report as: set") as found:
        read(dict.fromkeys(given, "hidden"))
    assert "hidden" not in str(found.value)
