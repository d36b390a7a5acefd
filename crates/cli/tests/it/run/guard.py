#!/usr/bin/env -S python3 -IS
"""An extension that says what it is told."""

import http.client
import json
import os

API = os.environ["AWS_LAMBDA_RUNTIME_API"]


def request(method, path, headers, body=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    response = connection.getresponse()
    return response, response.read()


print(f"guard runs as {os.getpid()}", flush=True)
response, _ = request("POST", "register", {"Lambda-Extension-Name": "guard"},
                      json.dumps({"events": ["INVOKE", "SHUTDOWN"]}))
me = {"Lambda-Extension-Identifier": response.getheader("Lambda-Extension-Identifier")}
while True:
    _, event = request("GET", "event/next", me)
    event = json.loads(event)
    print("told", event["eventType"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
