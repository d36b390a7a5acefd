"""The `vault` command, as far as the documentation uses it: our Vault is a server only.

Each form becomes the request that HashiCorp's command makes of it; any other is an error, so that a page cannot use what
is not understood here.
"""

import json
import os
import sys
import urllib.request


def send(method, path, body=None):
    url = f"{os.environ['VAULT_ADDR']}/v1/{path}"
    headers = {"X-Vault-Token": os.environ["VAULT_TOKEN"]}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path}: {error}: {error.read().decode()}")


def fields(words):
    return dict(word.split("=", 1) for word in words)


match sys.argv[1:]:
    case ["secrets", "enable", path, version, "kv"] if path.startswith("-path=") and version.startswith("-version="):
        options = {"version": version.removeprefix("-version=")}
        send("POST", f"sys/mounts/{path.removeprefix('-path=')}", {"type": "kv", "options": options})
    case ["secrets", "disable", path]:
        send("DELETE", f"sys/mounts/{path}")
    case ["kv", "put", mount, path, *rest] if mount.startswith("-mount="):
        send("PUT", f"{mount.removeprefix('-mount=')}/data/{path}", {"data": fields(rest)})
    case ["policy", "write", name, "-"]:
        send("PUT", f"sys/policies/acl/{name}", {"policy": sys.stdin.read()})
    case ["auth", "enable", kind]:
        send("POST", f"sys/auth/{kind}", {"type": kind})
    case ["write", path, *rest]:
        send("PUT", path, fields(rest))
    case ["delete", path]:
        send("DELETE", path)
    case words:
        sys.exit(f"tests/it/docs/vault.py does not know: vault {' '.join(words)}")
