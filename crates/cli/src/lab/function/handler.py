"""The lab's sample function: returns what it reads in each of the ways it is asked for.

It holds no code of Vault's or of Strongroom's: a variable is a variable, a file is a file, and the
local Vault API is HTTP.
"""

import json
import os
import stat
import urllib.request

FILE = os.environ["VAULT_SECRET_FILE"]
API = os.environ["VAULT_ADDR"]
PATH = os.environ["VAULT_SECRET_PATH"]

# No forward proxy stands before a listener of this very environment.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path, headers):
    """One request to the local Vault API."""
    request = urllib.request.Request(f"{API}/v1/{path}", headers=headers)
    with OPENER.open(request, timeout=5) as answer:
        return json.load(answer)


def by_file():
    """The value in the file."""
    with open(FILE, encoding="utf-8") as file:
        return json.load(file)["data"]["data"]["api-key"]


def by_proxy(headers):
    """The value that the local Vault API answers."""
    return ask(PATH, headers)["data"]["data"]["api-key"]


def handler(event, _context):
    """Reads in the ways that `event` lists, and tells."""
    ways = event["read"]
    seen = {}
    if "variable" in ways:
        seen["variable"] = os.environ["API_KEY"]
    if "file" in ways:
        seen["file"] = by_file()
        seen["file_mode"] = f"{stat.S_IMODE(os.stat(FILE).st_mode):04o}"
    if "proxy" in ways:
        seen["proxy"] = by_proxy({})
    if "cached" in ways:
        seen["cached"] = by_proxy({"X-Vault-Cache-Control": "cache"})
    if "token" in ways:
        # Only the lab wants it: to prove that it is worth nothing after SHUTDOWN.
        seen["token"] = ask("auth/token/lookup-self", {})["data"]["id"]
    return seen
