"""moto's server, with all signatures checked, and policies about users.

moto 5.2 hashes what it has parsed of a request and not what was sent: a GET of Lambda's, for one, is always said to have a
wrong signature, and so is a form that writes a space as %20. Here the body itself is hashed, as its sender did.

And it knows of no user what resource it is, so that a policy that names one allows nothing.
"""

import io

import flask
from botocore.awsrequest import AWSRequest
from moto.iam import access_control
from moto.iam.responses import IamResponse
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.server import main

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


def determine_resource(self, determine_resource=IamResponse._determine_resource):
    resource = determine_resource(self)
    if resource != "*":
        return resource
    name = self._get_param("UserName")
    if name:
        return f"arn:aws:iam::{self.current_account}:user/{name}"
    if self._get_action() == "GetUser":
        caller = self.backend.get_user_from_access_key_id(self.get_access_key())
        return caller.arn if caller else "*"
    return "*"


DomainDispatcherApplication.__call__ = call
access_control.IAMRequestBase._create_aws_request = create_aws_request
IamResponse._determine_resource = determine_resource
main()
