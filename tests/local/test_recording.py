"""What callers send is kept where model.yaml says so, and warms up the next version."""

from pathlib import Path

from tests.local.conftest import LocalServer, ready
from tests.local.test_old_first import until

MODEL = """
from headrace import Model, Tensor
class One(Model):
    inputs = [Tensor("x", "FP32", [4])]
    outputs = [Tensor("y", "FP32", [4])]
    def predict(self, batch):
        print("ran", batch.rows, "of", batch["x"][0, 0])
        return {"y": batch["x"]}
"""


def write(models: Path, number: int, yaml: str) -> None:
    (models / "m" / str(number)).mkdir(parents=True)
    (models / "m" / str(number) / "model.py").write_text(MODEL)
    (models / "m" / "model.yaml").write_text(yaml)


def kept(server: LocalServer) -> list[Path]:
    return list((server.state / "recorded" / "m").glob("*.npz"))


def test_a_request_warms_up_the_next_version_and_only_where_that_is_said(tmp_path: Path) -> None:
    models = tmp_path / "models"
    write(models, 1, "recording: {}")
    with ready(models, tmp_path / "state") as server:
        assert server.post("m", [7.0, 1.0, 2.0, 3.0])[0] == 200
        until(lambda: kept(server))
        write(models, 2, "recording: {}")
        server.command("load", "m/2")
        assert "m/2 | ran 1 of 7.0" in server.output()
        write(models, 3, "")
        server.command("load", "m/3")
        assert "m/3 | ran 1 of 7.0" not in server.output()
        before = len(kept(server))
        server.command("split", "m", "3=100")
        assert server.post("m", [8.0, 1.0, 2.0, 3.0])[0] == 200
        assert len(kept(server)) == before
