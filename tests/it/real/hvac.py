"""Uses the local Vault API by way of hvac, which knows nothing of the extension, and prints what it saw as JSON.

Arguments: the address of the local Vault API, the mount of a KV v2 engine, the mount of a KV v1 engine.
"""

import json
import sys

import hvac
import hvac.exceptions

address, versioned_mount, plain_mount = sys.argv[1:]
# Any token is as good as none: the extension has its own.
client = hvac.Client(url=address, token="unused")
versioned = client.secrets.kv.v2
plain = client.secrets.kv.v1
seen = {}


def refusal(call):
    """The name of the exception that the call ends with, and what Vault said."""
    try:
        return ["no exception", call()]
    except hvac.exceptions.VaultError as error:
        return [type(error).__name__, error.errors]


def read(path, **more):
    answer = versioned.read_secret_version(
        path=path, mount_point=versioned_mount, raise_on_deleted_version=True, **more
    )
    return answer["data"]["data"]


seen["read"] = read("lambda")
seen["authenticated"] = client.is_authenticated()

written = [
    versioned.create_or_update_secret(path="hvac/own", secret=secret, mount_point=versioned_mount)
    for secret in ({"n": 1, "colour": "red"}, {"n": 2, "colour": "red"})
]
seen["versions written"] = [answer["data"]["version"] for answer in written]
seen["latest"] = read("hvac/own")
seen["first version"] = read("hvac/own", version=1)
seen["create over it"] = refusal(
    lambda: versioned.create_or_update_secret(
        path="hvac/own", secret={"n": 0}, cas=0, mount_point=versioned_mount
    )
)
versioned.patch(path="hvac/own", secret={"colour": "blue"}, mount_point=versioned_mount)
seen["patched"] = read("hvac/own")
seen["list"] = versioned.list_secrets(path="hvac", mount_point=versioned_mount)["data"]["keys"]

versioned.update_metadata(
    path="hvac/own", max_versions=5, custom_metadata={"owner": "tests"}, mount_point=versioned_mount
)
metadata = versioned.read_secret_metadata(path="hvac/own", mount_point=versioned_mount)["data"]
seen["metadata"] = {
    name: metadata[name] for name in ("current_version", "custom_metadata", "max_versions")
}

versioned.delete_latest_version_of_secret(path="hvac/own", mount_point=versioned_mount)
seen["deleted"] = refusal(lambda: read("hvac/own"))[0]
versioned.undelete_secret_versions(path="hvac/own", versions=[3], mount_point=versioned_mount)
seen["undeleted"] = read("hvac/own")
versioned.destroy_secret_versions(path="hvac/own", versions=[1], mount_point=versioned_mount)
seen["destroyed"] = refusal(lambda: read("hvac/own", version=1))[0]
versioned.delete_metadata_and_all_versions(path="hvac/own", mount_point=versioned_mount)
seen["gone"] = refusal(lambda: read("hvac/own"))[0]

seen["forbidden"] = refusal(lambda: read("forbidden"))[0]
seen["missing"] = refusal(lambda: read("nowhere"))[0]

plain.create_or_update_secret(path="own", secret={"n": 1}, mount_point=plain_mount)
seen["plain read"] = plain.read_secret(path="own", mount_point=plain_mount)["data"]
seen["plain list"] = plain.list_secrets(path="", mount_point=plain_mount)["data"]["keys"]
plain.delete_secret(path="own", mount_point=plain_mount)
seen["plain gone"] = refusal(lambda: plain.read_secret(path="own", mount_point=plain_mount))[0]

token = client.auth.token.lookup_self()["data"]
seen["token"] = {"path": token["path"], "policies": token["policies"]}

# Whoever logs in through the proxy is from then on who it is.
own = hvac.Client(url=address)
own.auth.userpass.login(username="app", password="of-the-test")
seen["own token"] = own.auth.token.lookup_self()["data"]["path"]

# On these paths any token of the client goes up in place of the extension's: here it unwraps.
anonymous = hvac.Client(url=address)
by_body = anonymous.sys.wrap(payload={"n": 3}, ttl=60)["wrap_info"]["token"]
seen["unwrapped by body"] = anonymous.sys.unwrap(by_body)["data"]
seen["unwrapped twice"] = refusal(lambda: anonymous.sys.unwrap(by_body))[0]
wrapped = client.read(f"{versioned_mount}/data/lambda", wrap_ttl="60s")
by_header = hvac.Client(url=address, token=wrapped["wrap_info"]["token"])
seen["unwrapped by header"] = by_header.sys.unwrap()["data"]["data"]

json.dump(seen, sys.stdout)
