"""Models as their authors log them: one for each flavour, and some that are not whole."""

import sys
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import Schema, TensorSpec
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests import onnx_files

TABLE = pd.DataFrame({"width": [0.0, 1.0, 2.0, 3.0], "height": [1.0, 1.0, 0.0, 0.0]})
#: What a model needs MLflow would find out in a process for each.
NONE: Any = []
LABELS = np.array([0, 0, 1, 1])
FLOATS = np.arange(8, dtype=np.float32).reshape(2, 4)
TENSOR = ModelSignature(
    Schema([TensorSpec(np.dtype("float32"), (-1, 4), "x")]),
    Schema([TensorSpec(np.dtype("float32"), (-1, 4), "y")]),
)


class Greeter(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes a text and a number, returns a text and how long it is."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> pd.DataFrame:
        said = model_input["name"] * model_input["times"].astype(int)
        return pd.DataFrame({"said": said, "length": said.str.len().astype("int64")})


class Adder(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Takes two arrays by their names."""

    def predict(self, context: Any, model_input: dict[str, Any], params: Any = None) -> Any:
        # In place: what a model is given is its own.
        model_input["a"] += model_input["b"]
        return {"sum": model_input["a"]}


def log_all(uri: str, artifacts: str | None) -> None:
    """Register every model in the registry at ``uri``; it has its own place for files if None."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("models", artifacts))
    with mlflow.start_run():
        _log_estimators()
        _log_functions()
        _log_networks()
    client = mlflow.MlflowClient()
    client.set_registered_model_alias("kinds", "champion", "1")
    client.set_model_version_tag("kinds", "1", "judged", "well")


def _log_estimators() -> None:
    kinds = LogisticRegression().fit(TABLE, LABELS)
    signature = infer_signature(TABLE, kinds.predict(TABLE))
    log = mlflow.sklearn.log_model
    log(
        kinds,
        name="kinds",
        signature=signature,
        registered_model_name="kinds",
        pip_requirements=NONE,
    )
    log(
        kinds,
        name="kinds",
        signature=signature,
        registered_model_name="kinds",
        pip_requirements=NONE,
    )
    log(
        kinds,
        name="chances",
        signature=infer_signature(TABLE.to_numpy(), kinds.predict_proba(TABLE)),
        pyfunc_predict_fn="predict_proba",
        registered_model_name="chances",
        pip_requirements=NONE,
    )
    line = LinearRegression().fit(TABLE, LABELS)
    log(line, name="unsigned", registered_model_name="unsigned", pip_requirements=NONE)


def _log_functions() -> None:
    asked = pd.DataFrame({"name": ["a", "b"], "times": [1.0, 2.0]})
    mlflow.pyfunc.log_model(
        name="greeter",
        python_model=Greeter(),
        signature=infer_signature(asked, Greeter().predict(None, asked)),
        registered_model_name="greeter",
        pip_requirements=NONE,
    )
    both = {"a": FLOATS, "b": FLOATS}
    mlflow.pyfunc.log_model(
        name="adder",
        python_model=Adder(),
        signature=infer_signature(both, {"sum": FLOATS}),
        registered_model_name="adder",
        pip_requirements=NONE,
    )


def _log_networks() -> None:
    net = torch.nn.Linear(4, 4, bias=False)
    with torch.no_grad():
        net.weight.copy_(2 * torch.eye(4))
    for name, form in (("pickled", "pickle"), ("exported", "pt2")):
        mlflow.pytorch.log_model(
            net,
            name=name,
            signature=TENSOR,
            serialization_format=form,
            input_example=FLOATS,
            registered_model_name=name,
            pip_requirements=NONE,
        )
    mlflow.onnx.log_model(
        onnx_files.doubler(), name="graph", signature=TENSOR, registered_model_name="graph"
    )


if __name__ == "__main__":
    log_all(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
