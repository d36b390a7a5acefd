#!/usr/bin/env -S python3 -IS
"""A runtime of its own: it says which process it is, counts, and does what the event says."""

import http.client
import json
import os
import time
import uuid

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
INSTANCE = uuid.uuid4().hex


def request(method, path, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    response = connection.getresponse()
    return response, response.read()


print(f"function runs as {os.getpid()}", flush=True)
calls = 0
while True:
    response, event = request("GET", "next")
    identifier = response.getheader("Lambda-Runtime-Aws-Request-Id")
    context = response.getheader("Lambda-Runtime-Client-Context")
    event = json.loads(event)
    calls += 1
    print(f"event {json.dumps(event)}", flush=True)
    wish = event.get("do") if isinstance(event, dict) else None
    if wish == "hang":
        time.sleep(600)
    if wish == "exit":
        raise SystemExit(3)
    if wish == "fail":
        error = {"errorMessage": "told to", "errorType": "Told"}
        request("POST", f"{identifier}/error", json.dumps(error))
        continue
    variables = {name: os.environ.get(name) for name in event.get("variables", [])} if wish is None and isinstance(event, dict) else {}
    answer = {"calls": calls, "context": context and json.loads(context), "event": event,
              "instance": INSTANCE, "variables": variables}
    files = event.get("files", []) if isinstance(event, dict) else []
    for path in files:
        with open(path) as file:
            answer[path] = file.read()
    request("POST", f"{identifier}/response", json.dumps(answer, indent=1))
