"""The little of `vault` and `aws` that the exported commands use, told in the way of those programs.

    programs.py vault write auth/aws/config/client sts_region=us-east-1
"""

import json
import os
import sys
import urllib.request


def ask_vault(path, fields):
    request = urllib.request.Request(
        f"{os.environ['VAULT_ADDR']}/v1/{path}",
        data=json.dumps(fields).encode(),
        headers={"X-Vault-Token": os.environ["VAULT_TOKEN"]},
        method="PUT",
    )
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        sys.exit(f"{path}: {error.code} {error.read().decode()}")


def vault(arguments):
    match arguments:
        case ["auth", "enable", path, description, kind]:
            path = path.removeprefix("-path=")
            description = description.removeprefix("-description=")
            ask_vault(f"sys/auth/{path}", {"type": kind, "description": description})
        case ["policy", "write", name, "-"]:
            ask_vault(f"sys/policies/acl/{name}", {"policy": sys.stdin.read()})
        case ["write", "-f", path]:
            ask_vault(path, {})
        case ["write", path, "-"]:
            ask_vault(path, json.load(sys.stdin))
        case ["write", path, *fields]:
            ask_vault(path, dict(field.split("=", 1) for field in fields))
        case _:
            sys.exit(f"vault {arguments} is not known here")


def aws(arguments):
    import boto3
    import jmespath

    match arguments:
        case ["iam", "create-access-key", "--user-name", user, "--output", "json", "--query", query]:
            client = boto3.client("iam", region_name=os.environ["AWS_REGION"])
            answer = client.create_access_key(UserName=user)
            print(json.dumps(jmespath.search(query, answer), default=str))
        case _:
            sys.exit(f"aws {arguments} is not known here")


{"aws": aws, "vault": vault}[sys.argv[1]](sys.argv[2:])
