"""`pb_utils.ModelConfig`, and what is looked up in a configuration."""

import copy
from collections.abc import Mapping
from typing import Any, Final

Config = Mapping[str, Any]
#: What an input, and an output, may say.
INPUT: Final = ("name", "data_type", "dims", "optional", "allow_ragged_batch")
OUTPUT: Final = ("name", "data_type", "dims")


def get_input_config_by_name(model_config: Config, name: str) -> Any:
    """Return what a parsed configuration says of an input; None if it has none of that name."""
    return _entry(model_config, "input", name)


def get_output_config_by_name(model_config: Config, name: str) -> Any:
    """Return what a parsed configuration says of an output; None if it has none of that name."""
    return _entry(model_config, "output", name)


def using_decoupled_model_transaction_policy(model_config: Config) -> bool:
    """Return whether a parsed configuration says that a request may have any number of answers."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


def _entry(config: Config, side: str, name: str) -> Any:
    return next((one for one in config.get(side, ()) if one["name"] == name), None)


class ModelConfig:
    """A configuration that `auto_complete_config` adds to."""

    def __init__(self, model_config: Config) -> None:
        self._config: dict[str, Any] = copy.deepcopy(dict(model_config))

    def as_dict(self) -> dict[str, Any]:
        """Return it as a dict."""
        return self._config

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Say how many rows a batch may have.

        Raises:
            ValueError: the configuration says something smaller.
        """
        said = self._config.get("max_batch_size", 0)
        if said > max_batch_size:
            raise ValueError(
                f"max_batch_size: config.pbtxt says {said}, auto_complete_config {max_batch_size}"
            )
        self._config["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Say that requests share batches.

        Raises:
            ValueError: the configuration says that they are of sequences, or of a pipeline.
        """
        for other in ("sequence_batching", "ensemble_scheduling"):
            if other in self._config:
                raise ValueError(f"dynamic_batching: the configuration says {other}")
        self._config.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: Mapping[str, Any]) -> None:
        """Say whether a request may have any number of answers: ``{"decoupled": True}``.

        Raises:
            ValueError: it has another key, or the configuration says the contrary.
        """
        if other := sorted({*transaction_policy_dict} - {"decoupled"}):
            raise ValueError(f"model_transaction_policy has decoupled alone, not {other[0]!r}")
        policy = self._config.setdefault("model_transaction_policy", {})
        wanted = bool(transaction_policy_dict.get("decoupled", False))
        if policy.get("decoupled", False) and not wanted:
            raise ValueError("model_transaction_policy: config.pbtxt says decoupled: true")
        policy["decoupled"] = wanted

    def add_input(self, input: Mapping[str, Any]) -> None:  # noqa: A002 - Triton's name
        """Declare an input, such as ``{"name": "x", "data_type": "TYPE_FP32", "dims": [4]}``.

        Raises:
            ValueError: a word of it is missing or unknown, or there is another one of that name.
        """
        self._add("input", input, INPUT)

    def add_output(self, output: Mapping[str, Any]) -> None:
        """Declare an output, as `add_input` an input.

        Raises:
            ValueError: a word of it is missing or unknown, or there is another one of that name.
        """
        self._add("output", output, OUTPUT)

    def _add(self, side: str, entry: Mapping[str, Any], words: tuple[str, ...]) -> None:
        if other := sorted({*entry} - {*words}):
            raise ValueError(f"{side} has {', '.join(words)}, not {other[0]!r}")
        if missing := [word for word in ("name", "data_type", "dims") if word not in entry]:
            raise ValueError(f"{side} {dict(entry)} has no {missing[0]}")
        there = _entry(self._config, side, entry["name"])
        if there is None:
            self._config.setdefault(side, []).append(dict(entry))
            return
        for word, value in entry.items():
            said = there.get(word, False)
            if said != value:
                raise ValueError(
                    f"{side} {entry['name']!r}: {word} is {said} in config.pbtxt, and {value} in "
                    "auto_complete_config"
                )
