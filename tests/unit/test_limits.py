"""Limits of a gateway, as a command line names them."""

import json
import re

import headrace_core
import pytest

from headrace.config import limits
from headrace.errors import ConfigInvalid


def test_a_limit_is_named_as_the_core_names_it() -> None:
    assert limits.read([]) == {}
    assert limits.read(["connections=7", "spare_hosts=0"]) == {"connections": 7, "spare_hosts": 0}
    for text, why in (
        ("conections=7", "there is no limit 'conections': expected one of body_bytes,"),
        ("connections", "limit connections should be a number from 1 on, not ''"),
        ("connections=0", "limit connections should be a number from 1 on, not '0'"),
        ("connections=-1", "limit connections should be a number from 1 on, not '-1'"),
        ("connections=" + "9" * 19, "limit connections should be a number from 1 on"),
        ("streams=4294967296", "limit streams should be at most 4294967295, not 4294967296"),
        ("json_depth=1001", "limit json_depth may be 1000 at most, not 1001"),
    ):
        with pytest.raises(ConfigInvalid, match=re.escape(why)):
            limits.read([text])


def test_every_limit_may_be_given_to_a_gateway() -> None:
    given = limits.read([f"{name}={number}" for name, number in headrace_core.limits().items()])
    headrace_core.Gateway(json.dumps({"limits": given}))


def test_every_limit_may_be_as_large_as_its_message_says() -> None:
    for name in headrace_core.limits().keys() - {"json_depth"}:
        most = 10**18 - 1 if "bytes" in name else limits.MOST
        assert limits.read([f"{name}={most}"]) == {name: most}


def test_a_server_has_its_own_limits_beside_those_of_its_gateway() -> None:
    given = limits.as_options(["spare_hosts=0", "max_loaded=3", "connections=7"])
    assert given == {"spare_hosts": 0, "max_loaded": 3, "limits": {"connections": 7}}
    assert limits.as_options([]) == {"limits": {}}
