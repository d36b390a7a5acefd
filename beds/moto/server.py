"""moto's server, with all signatures checked, and policies about each resource.

moto 5.2 hashes what it has parsed of a request and not what was sent: a GET of Lambda's, for one, is always said to have a
wrong signature, and so is a form that writes a space as %20. Here the body itself is hashed, as its sender did.

And of users, of functions and of what does not exist yet it does not know which resource they are, so that a policy that
names one allows nothing.

Of what a stack makes it loses something, too: policies of roles are not written as JSON, users have neither tags nor policies,
and functions have no tags.
"""

import io
import json
from urllib.parse import unquote

import flask
from botocore.awsrequest import AWSRequest
from moto.awslambda.models import LambdaFunction, get_backend
from moto.awslambda.responses import LambdaResponse
from moto.iam import access_control
from moto.iam.models import Role, User, iam_backends
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main
from moto.utilities.utils import get_partition

BODY = "strongroom.body"


def call(self, environ, start_response, call=DomainDispatcherApplication.__call__):
    """Keeps the body before anything reads it."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ[BODY] = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(environ[BODY])
    return call(self, environ, start_response)


def create_aws_request(self):
    authorization = self._headers["Authorization"]
    signed = self._get_string_between("SignedHeaders=", ",", authorization).split(";")
    request = AWSRequest(
        method=self._method,
        url=self._path,
        data=flask.request.environ[BODY],
        headers=self._create_headers_for_aws_request(signed, self._headers),
    )
    request.context["timestamp"] = request.headers["X-Amz-Date"]
    return request


def iam_resource(self, determine_resource=IamResponse._determine_resource):
    resource = determine_resource(self)
    if resource != "*":
        return resource
    for parameter, kind in [("RoleName", "role"), ("UserName", "user")]:
        name = self._get_param(parameter)
        if name:
            return f"arn:{get_partition(self.region)}:iam::{self.current_account}:{kind}/{name}"
    if self._get_action() == "GetUser":
        caller = self.backend.get_user_from_access_key_id(self.get_access_key())
        return caller.arn if caller else "*"
    return "*"


def lambda_resource(self):
    """Paths are /VERSION/functions/NAME/... and /VERSION/tags/ARN; a new function's name is in the body."""
    parts = unquote(self.path).strip("/").split("/")
    if parts[1] == "tags":
        return parts[2]
    name = parts[2] if len(parts) > 2 else json.loads(self.body or "{}").get("FunctionName")
    if parts[1] != "functions" or not name:
        return "*"
    return f"arn:{get_partition(self.region)}:lambda:{self.region}:{self.current_account}:function:{name}"


def put_policy(self, name, document):
    self.policies[name] = document if isinstance(document, str) else json.dumps(document)


def make_user(resource_name, cloudformation_json, account_id, region_name, **_):
    properties = cloudformation_json["Properties"]
    backend = iam_backends[account_id][get_partition(region_name)]
    user = backend.create_user(region_name, resource_name, tags=properties.get("Tags"))
    for policy in properties.get("Policies", []):
        user.put_policy(policy["PolicyName"], policy["PolicyDocument"])
    return user


def make_function(
    resource_name,
    cloudformation_json,
    account_id,
    region_name,
    make=LambdaFunction.create_from_cloudformation_json,
    **others,
):
    function = make(resource_name, cloudformation_json, account_id, region_name, **others)
    tags = cloudformation_json["Properties"].get("Tags", [])
    tags = {tag["Key"]: tag["Value"] for tag in tags}
    get_backend(account_id, region_name).tag_resource(function.function_arn, tags)
    return function


DomainDispatcherApplication.__call__ = call
LambdaFunction.create_from_cloudformation_json = make_function
Role.put_policy = put_policy
User.create_from_cloudformation_json = make_user
User.put_policy = put_policy
access_control.IAMRequestBase._create_aws_request = create_aws_request
IamResponse._determine_resource = iam_resource
LambdaResponse._determine_resource = lambda_resource
main()
