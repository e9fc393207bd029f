"""An object of a `TritonPythonModel`: how it is found, and what it is called with."""

import asyncio
import inspect
import json
import logging
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context as Variables
from contextvars import copy_context
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from headrace.backends.triton_python.calls import caller, instances
from headrace.backends.triton_python.logger import speaker
from headrace.backends.triton_python.model_config import ModelConfig
from headrace.backends.triton_python.refusals import METHODS, refused_in
from headrace.backends.triton_python.request import InferenceRequest
from headrace.errors import ModelInvalid
from headrace.models import Context
from headrace.models.behalf import working_for

CLASS: Final = "TritonPythonModel"


def class_of(module: ModuleType, file: Path) -> type[Any]:
    """Return the class that ``module`` defines for Triton.

    Raises:
        ModelInvalid: there is none, or the file names what is not served, each with its line.
    """
    cls = getattr(module, CLASS, None)
    if not isinstance(cls, type):
        raise ModelInvalid(
            f"{file} should define a class {CLASS}, for a config.pbtxt is beside its folder and no "
            "model.yaml; with a class derived from headrace.Model it is the other way round: "
            "`headrace convert --write` makes the model.yaml"
        )
    if not callable(getattr(cls, "execute", None)):
        raise ModelInvalid(f"{file}: {CLASS} does not define execute(self, requests)")
    wrong = [f"{name}(): {why}" for name, why in METHODS.items() if hasattr(cls, name)]
    if wrong := [*refused_in(file.read_text(encoding="utf-8")), *wrong]:
        raise ModelInvalid(f"{file} asks for what is not served:\n" + "\n".join(wrong))
    return cls


def completed(cls: type[Any], config: Mapping[str, Any], file: Path) -> Mapping[str, Any]:
    """Return a configuration as the class completes it; the same where it does not.

    What the class raises comes through.

    Raises:
        ModelInvalid: it returned no ModelConfig.
    """
    complete = getattr(cls, "auto_complete_config", None)
    if complete is None:
        return config
    returned = complete(ModelConfig(config))
    if not isinstance(returned, ModelConfig):
        kind = type(returned).__name__
        raise ModelInvalid(
            f"{file}: auto_complete_config() should return the pb_utils.ModelConfig that it was "
            f"given, not {kind}"
        )
    return returned.as_dict()


class Instance:
    """One object of the class, from `initialize` to `finalize`."""

    def __init__(self, cls: type[Any], config: Mapping[str, Any]) -> None:
        self._cls = cls
        self._config = config
        self._made: Any = None
        #: Once it was told.
        self.context: Context | None = None
        #: What prints and logs meanwhile belongs to the version, whichever thread it is in.
        self._variables = Variables()
        self.is_async = inspect.iscoroutinefunction(cls.execute)

    def initialize(self, context: Context) -> None:
        """Make the object and call its `initialize`, where it has one."""
        self._variables = copy_context()
        self._variables.run(speaker.set, context.log)
        self._variables.run(caller.set, context)
        self.context = context
        instances.add(self)
        self._made = self.within(self._cls)
        if hasattr(self._made, "initialize"):
            self.within(self._made.initialize, arguments(context, self._config))

    def execute(self, requests: Sequence[InferenceRequest]) -> Any:
        """Call its `execute`; one that is ``async`` runs to its end."""
        returned = self.within(self._made.execute, list(requests))
        return self.within(asyncio.run, returned) if self.is_async else returned

    def coroutine(self, requests: Sequence[InferenceRequest]) -> Any:
        """Return what an ``async`` `execute` is: to be awaited."""
        return self._made.execute(list(requests))

    def within(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Call as the version, so that its lines have its name, for whom this thread works."""
        variables = self._variables.copy()
        variables.run(working_for.set, working_for.get())
        return variables.run(call, *given, **named)

    def report(self, error: BaseException) -> None:
        """Write what it raised in a thread of its own, with its traceback."""
        self.within(_log(self._variables).error, "execute() raised", exc_info=error)

    def finalize_with(self, owner: object) -> None:
        """Have `finalize` called when nobody holds ``owner`` any more, or the process ends."""
        if hasattr(self._made, "finalize"):
            weakref.finalize(owner, _finalize, self._made, self._variables.copy(), os.getpid())


def arguments(context: Context, config: Mapping[str, Any]) -> dict[str, str]:
    """Return what `initialize` is given: texts by Triton's keys."""
    on_gpu = context.device != "cpu"
    return {
        "model_config": json.dumps(config),
        "model_instance_kind": "GPU" if on_gpu else "CPU",
        # A host sees the GPUs that it was given, the first of which is its own.
        "model_instance_device_id": "0",
        "model_instance_name": f"{context.model}_0",
        "model_repository": str(context.folder.parent),
        "model_version": str(context.version),
        "model_name": context.model,
    }


def _finalize(made: Any, variables: Variables, process: int) -> None:
    # What the model forked ends without it.
    if os.getpid() != process:
        return
    try:
        variables.run(made.finalize)
    except Exception:
        _log(variables).exception("finalize() raised")


def _log(variables: Variables) -> logging.Logger:
    return variables.get(speaker) or logging.getLogger("headrace.model")
