"""Calls the endpoint by AWS's SDK for Python in every way there is, and says what came of it."""

import base64
import json
import sys
import threading

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

settings = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
client = boto3.client("lambda", endpoint_url=sys.argv[1], region_name="us-east-1", config=settings,
                      aws_access_key_id="AKIDTEST", aws_secret_access_key="test")


def invoke(payload=None, **more):
    arguments = {"FunctionName": "mine", **more}
    if payload is not None:
        arguments["Payload"] = payload
    try:
        answer = client.invoke(**arguments)
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"],
                "status": error.response["ResponseMetadata"]["HTTPStatusCode"]}
    body = answer["Payload"].read()
    log = answer.get("LogResult")
    return {
        "body": json.loads(body) if body else None,
        "error": answer.get("FunctionError"),
        "id": answer["ResponseMetadata"]["RequestId"],
        "log": base64.b64decode(log).decode() if log else None,
        "status": answer["StatusCode"],
        "version": answer.get("ExecutedVersion"),
    }


def many(number):
    answers = [None] * number

    def call(at):
        answers[at] = invoke(json.dumps({"at": at}))

    threads = [threading.Thread(target=call, args=(at,)) for at in range(number)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return answers


context = base64.b64encode(b'{"custom": {"a": "b"}}').decode()
print(json.dumps({
    "first": invoke(b'{"a": 1}', LogType="Tail", ClientContext=context),
    "nothing": invoke(),
    "arn": invoke(b"{}", FunctionName="arn:aws:lambda:us-east-1:123456789012:function:mine", Qualifier="live"),
    "failed": invoke(b'{"do": "fail"}', LogType="Tail"),
    "dry": invoke(b"{}", InvocationType="DryRun"),
    "event": invoke(b'{"later": 1}', InvocationType="Event"),
    "many": many(8),
    "no json": invoke(b"{"),
    "unknown": invoke(b"{}", FunctionName="other"),
    "large": invoke(b'"' + b"x" * (6 * 1024 * 1024) + b'"'),
}))
