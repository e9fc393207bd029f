-- wrk's request: one row of sixteen numbers, as JSON.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{"inputs": [{"name": "x", "shape": [1, 16], "datatype": "FP32",
  "data": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]}]}]]
