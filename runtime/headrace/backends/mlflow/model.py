"""A logged model as a Model. MLflow is imported when one opens, and its library when it loads."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from headrace.backends.mlflow import arrays
from headrace.backends.mlflow.signature import LOG, Side, side
from headrace.errors import ModelBroken, ModelInvalid, SourceInvalid
from headrace.models import Batch, Context, Model
from headrace.registry.facts import flavour

FILE: Final = "MLmodel"
INSTALL: Final = "pip install 'headrace[mlflow]'"
#: A batch → outputs by name.
Call = Callable[[Batch], Mapping[str, Any]]


class LoggedModel(Model):
    """Calls what MLflow has logged, with the inputs and outputs of its signature."""

    def __init__(self, file: Path) -> None:
        """Read the description of a model.

        Args:
            file: the MLmodel in the folder of its files.

        Raises:
            ModelInvalid: MLflow is not installed, or the model has no signature, one that cannot
                be served, or no flavour that is run.
        """
        told = _read(file)
        signature = told.signature and told.signature.to_dict()
        if not signature:
            raise ModelInvalid(f"{file} has no signature, which says what callers send: {LOG}")
        try:
            self._taken = side("input", signature["inputs"])
            self._made = side("output", signature["outputs"])
        except ModelInvalid as error:
            raise ModelInvalid(f"{file}: {error}") from error
        of_tensors = not (self._taken.is_table or self._made.is_table)
        try:
            self._flavour = flavour(list(told.flavors), str(file), of_tensors=of_tensors)
        except SourceInvalid as error:
            raise ModelInvalid(str(error)) from error
        if self._flavour not in LOADERS:
            raise ModelInvalid(
                f"{file} is of the flavour {self._flavour}, and its file model.onnx is not there: "
                "log it with mlflow.onnx"
            )
        self._predict_method = told.flavors.get("python_function", {}).get("predict_fn", "predict")
        self._folder = file.parent
        self._call: Call | None = None
        self.inputs, self.outputs = self._taken.tensors, self._made.tensors

    def load(self, context: Context) -> None:
        """Bring the model into memory: this runs code that was logged with it, or unpickles it.

        What MLflow, or the library of the flavour, raises comes through.
        """
        context.log.info("is loaded as MLflow's flavour %s", self._flavour)
        self._call = LOADERS[self._flavour](self, context)

    def predict(self, batch: Batch) -> Mapping[str, Any]:
        """Call the model with the whole batch; what it returns is named by its signature.

        Raises:
            ModelBroken: it returned what its signature does not say.
        """
        if self._call is None:
            raise ModelBroken("the model was not loaded")
        return self._call(batch)

    def _load_function(self, context: Context) -> Call:
        import mlflow.pyfunc

        function = mlflow.pyfunc.load_model(str(self._folder))
        return self._of_arrays(function.predict)

    def _load_estimator(self, context: Context) -> Call:
        import mlflow.sklearn

        estimator = mlflow.sklearn.load_model(str(self._folder))
        # What its author chose, such as predict_proba.
        return self._of_arrays(getattr(estimator, self._predict_method))

    def _load_module(self, context: Context) -> Call:
        import mlflow.pytorch

        # By MLflow to the device: an exported program it only checks for being there.
        module = mlflow.pytorch.load_model(str(self._folder), device=context.device)
        inputs = [one.name for one in self.inputs]
        return lambda batch: results(module(*map(batch.tensor, inputs)), self._made)

    def _of_arrays(self, predict: Callable[[Any], Any]) -> Call:
        return lambda batch: arrays.returned(predict(arrays.given(batch, self._taken)), self._made)


#: Flavour → what loads it. ONNX has a backend of its own.
LOADERS: Final[Mapping[str, Callable[[LoggedModel, Context], Call]]] = {
    "pytorch": LoggedModel._load_module,
    "sklearn": LoggedModel._load_estimator,
    "python_function": LoggedModel._load_function,
}


def results(value: Any, outputs: Side) -> dict[str, Any]:
    """Return what a module of PyTorch returned, by the outputs of its signature.

    Raises:
        ModelBroken: it is of another number, or has other names.
    """
    names = [one.name for one in outputs.tensors]
    if isinstance(value, Mapping):
        if not set(names) <= set(value):
            raise ModelBroken(
                f"the module returned {', '.join(map(str, value))}, and its signature has the "
                f"outputs {', '.join(names)}"
            )
        return {name: value[name] for name in names}
    found = value if isinstance(value, tuple | list) else (value,)
    if len(found) != len(names):
        raise ModelBroken(
            f"the module returned {len(found)} tensors, and its signature has {len(names)} outputs"
        )
    return dict(zip(names, found, strict=True))


def _read(file: Path) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow.models import Model as Description
    except ModuleNotFoundError as error:
        if error.name != "mlflow":
            raise
        raise ModelInvalid(f"{file} needs MLflow, which is not installed: {INSTALL}") from error
    return Description.load(str(file))
