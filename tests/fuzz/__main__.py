"""Fuzzes model.yaml: ``python -m tests.fuzz FOLDER... -OPTION...`` as any program of libFuzzer's.

It needs the extra ``fuzz``.
"""

import sys

import atheris

# Counters cost: only what reads the file has them.
with atheris.instrument_imports(include=["headrace.config", "yaml"]):
    from tests.fuzz.model_yaml import any_model_yaml

atheris.Setup(sys.argv, any_model_yaml)
atheris.Fuzz()
