"""Writes what the bindings of two providers say of some resources: each attribute, and whether it may be left out.

The bindings carry a JSII assembly, in which each resource and each block in it is an interface. They are 190 MB unpacked,
which is why nobody wants them in each test.
"""

import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

RESOURCES = {
    "aws_iam_role": "iamRole.IamRoleConfig",
    "aws_iam_role_policy": "iamRolePolicy.IamRolePolicyConfig",
    "aws_iam_user": "iamUser.IamUserConfig",
    "aws_iam_user_policy": "iamUserPolicy.IamUserPolicyConfig",
    "aws_lambda_function": "lambdaFunction.LambdaFunctionConfig",
    "vault_auth_backend": "authBackend.AuthBackendConfig",
    "vault_aws_auth_backend_client": "awsAuthBackendClient.AwsAuthBackendClientConfig",
    "vault_aws_auth_backend_role": "awsAuthBackendRole.AwsAuthBackendRoleConfig",
    "vault_aws_auth_backend_sts_role": "awsAuthBackendStsRole.AwsAuthBackendStsRoleConfig",
    "vault_policy": "policy.PolicyConfig",
    "provider.aws": "provider.AwsProviderConfig",
    "provider.vault": "provider.VaultProviderConfig",
}


def types_of(wheel, provider):
    """The assembly's types by their names."""
    with zipfile.ZipFile(wheel) as package:
        [assembly] = [name for name in package.namelist() if name.endswith(".jsii.tgz")]
        with package.open(assembly) as inner, tarfile.open(fileobj=inner) as tar:
            types = json.load(tar.extractfile("package/.jsii"))["types"]
    prefix = f"@cdktf/provider-{provider}."
    return {name.removeprefix(prefix): found for name, found in types.items()}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def blocks_in(kind):
    """The names of interfaces that a property may hold."""
    if "fqn" in kind and not kind["fqn"].startswith("cdktf."):
        yield kind["fqn"].split(".", 1)[1]
    for inner in kind.get("union", {}).get("types", []):
        yield from blocks_in(inner)
    if "collection" in kind:
        yield from blocks_in(kind["collection"]["elementtype"])


def schema(types, name):
    attributes = {}
    for member in types[name].get("properties", []):
        described = {"optional": member.get("optional", False)}
        for block in blocks_in(member["type"]):
            described["block"] = schema(types, block)
        attributes[snake(member["name"])] = described
    return attributes


def main(wheels, target):
    schemas = {}
    for provider in ("aws", "vault"):
        [wheel] = Path(wheels).glob(f"cdktf_cdktf_provider_{provider}-*.whl")
        types = types_of(wheel, provider)
        for resource, name in RESOURCES.items():
            if resource.removeprefix("provider.").split("_")[0] == provider:
                schemas[resource] = schema(types, name)
    Path(target).write_text(json.dumps(schemas, indent=1, sort_keys=True) + "\n")


main(*sys.argv[1:])
