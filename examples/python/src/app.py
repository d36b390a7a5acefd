"""Reads one secret in three ways and answers with a fingerprint of what each saw.

A real function uses its secret; it never answers with it.
"""

import hashlib
import json
import os
import urllib.request


def handler(event, context):
    with open("/tmp/vault/api-key") as file:
        by_file = file.read()
    return {
        "variable": fingerprint(os.environ["API_KEY"]),
        "file": fingerprint(by_file),
        "proxy": fingerprint(through_proxy()),
    }


def through_proxy():
    """Asks the local Vault API, which needs no token."""
    url = f"{os.environ['VAULT_ADDR']}/v1/{os.environ['VAULT_SECRET_PATH_API']}"
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)["data"]["data"]["api-key"]


def fingerprint(secret):
    return hashlib.sha256(secret.encode()).hexdigest()[:8]
