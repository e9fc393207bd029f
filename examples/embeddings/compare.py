"""Prints how alike texts are: `python compare.py TEXT TEXT ...`, with the example served."""

import json
import sys
import urllib.request

import numpy as np

URL = "http://localhost:8000/v2/models/embeddings/infer"

texts = sys.argv[1:]
text = {"name": "text", "datatype": "BYTES", "shape": [len(texts), 1], "data": texts}
body = json.dumps({"inputs": [text]}).encode()
with urllib.request.urlopen(URL, body) as answer:
    (output,) = json.load(answer)["outputs"]
embedding = np.array(output["data"]).reshape(output["shape"])
for text, row in zip(texts, embedding @ embedding.T, strict=True):
    print(*(f"{alike:5.2f}" for alike in row), text)
