"""The models that whole servers are tested with."""

from typing import Final

IDENTITY: Final = """
    import os, sys, time
    from headrace import Batch, Context, Model, Tensor

    class Identity(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            time.sleep({pause})
            return {{"y": batch["x"]}}
"""

#: Sleeps as many seconds as its input says.
SLEEPER: Final = """
    import time
    from headrace import Batch, Context, Model, Tensor

    class Sleeper(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            time.sleep(float(batch["x"][0, 0]))
            return {"y": batch["x"]}
"""

#: Does what its input says: 1 raises, 2 ends the process, 3 prints.
RUDE: Final = """
    import os
    from headrace import Batch, Context, Model, Tensor

    class Rude(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            wish = int(batch["x"][0, 0])
            if wish == 1:
                raise ValueError("a rude answer")
            if wish == 2:
                print("these are its last words")
                os._exit(3)
            if wish == 3:
                print("said by the model")
                os.write(2, b"said below Python\\n")
            return {"y": batch["x"]}
"""

BROKEN: Final = """
    from headrace import Batch, Context, Model, Tensor

    class Broken(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None:
            raise RuntimeError("the weights are gone")

        def predict(self, batch: Batch):
            return {"y": batch["x"]}
"""

#: Does what the first number of its input says, for as many seconds as the second.
MOODY: Final = """
    import ctypes, os, signal, time
    from headrace import Batch, Context, Model, Tensor
    from headrace.errors import DeviceLost

    class Moody(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None: ...

        def predict(self, batch: Batch):
            for wish, seconds, *_ in batch["x"].tolist():
                self.act(wish, seconds)
            return {"y": batch["x"]}

        def act(self, wish, seconds):
            if wish == 1:
                time.sleep(seconds)
            if wish == 2:
                # PyDLL keeps the interpreter's lock through the call.
                ctypes.PyDLL(None).sleep(int(seconds))
            if wish == 3:
                os._exit(3)
            if wish == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            if wish == 5:
                ctypes.string_at(0)
            if wish == 6:
                os.abort()
            if wish == 7:
                raise SystemExit(3)
            if wish == 8:
                # As lanes say it of a GPU on which a kernel has failed.
                raise DeviceLost("cuda:0 is lost to this process: an illegal memory access")
"""

DIES_LOADING: Final = """
    import os
    from headrace import Batch, Context, Model, Tensor

    class Dies(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [4])]

        def load(self, context: Context) -> None:
            print("a try to load", flush=True)
            os._exit(3)

        def predict(self, batch: Batch): ...
"""

#: Counts up from the first number of its input, as far as the second says.
COUNTER: Final = """
    import time
    import numpy as np
    from headrace import Context, Model, Tensor

    class Counter(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("y", "FP32", [1])]

        def load(self, context: Context) -> None: ...

        def step(self, sequences):
            time.sleep(0.01)
            for one in sequences:
                first, count, *_ = one.inputs["x"][0]
                if one.is_paused:
                    continue
                said = one.state or 0
                if said == count:
                    one.end()
                    continue
                one.emit(y=np.full((one.rows, 1), first + said, np.float32))
                one.state = said + 1
"""
