#!/usr/bin/env python3
"""Record what a Vault extension for AWS Lambda does, and compare another one with it.

    conform.py record --bin PATH --cases cases.json --out transcripts.json
    conform.py replay --bin PATH --cases cases.json --expect transcripts.json
                      [--intended intended.json] [--only ID ...] [-v]

README.md says what a case is, what a transcript holds and how it is normalised.
"""
import argparse
import base64
import collections
import datetime
import fnmatch
import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import queue
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

# Every case runs in network, mount and process namespaces of its own, so these never collide.
HOST = "127.0.0.1"
PROXY_PORT = 8200
LAMBDA_PORT = 9001
PLAIN_ORIGINS = {"vault": 9200, "vault2": 9201, "forward-proxy": 9400}
TLS_ORIGINS = {"vault-tls": (9443, "server"), "vault-badname": (9444, "badname"), "vault-mtls": (9445, "server")}
STS_PLAIN_PORT, STS_TLS_PORT = 9300, 443
NAMES = ["vault.test", "sts.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts.eu-west-1.amazonaws.com"]
STAGE = pathlib.Path("/mnt")  # a fresh tmpfs: the binary, certificates and logs lie there

SECRET = "correct-horse-battery-staple"
TOKEN_STEM = "hvs.CONFORM"
EXTENSION_ID = "8a3f1e0c-6a55-4b57-9d1e-7c2f4b9a0d11"
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDCONFORMEXAMPLE00",
    "AWS_SECRET_ACCESS_KEY": "conformSecretKeyExampleExampleExampleEXA",
    "AWS_SESSION_TOKEN": "conform-session-token-example",
}
ASSUMED = {
    "AWS_ACCESS_KEY_ID": "ASIACONFORMASSUMED00",
    "AWS_SECRET_ACCESS_KEY": "assumedSecretKeyExampleExampleExampleEXA",
    "AWS_SESSION_TOKEN": "conform-assumed-session-token",
}
ASSUME_ROLE_ANSWER = f"""\
<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>{ASSUMED["AWS_ACCESS_KEY_ID"]}</AccessKeyId>
<SecretAccessKey>{ASSUMED["AWS_SECRET_ACCESS_KEY"]}</SecretAccessKey>
<SessionToken>{ASSUMED["AWS_SESSION_TOKEN"]}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>"""
INIT_WAIT, CASE_LIMIT, LONG_BODY = 6.0, 60.0, 3000

HOP_HEADERS = {"connection", "keep-alive", "te", "proxy-connection", "proxy-authorization", "upgrade"}
UPSTREAM_IGNORED = {"host", "content-length", "transfer-encoding", "accept-encoding"} | HOP_HEADERS
RESPONSE_IGNORED = {"date", "content-length", "transfer-encoding", "connection", "keep-alive"}
OWN_WRITE = re.compile(r"/auth/(.+/login|token/(renew|revoke)-self)$")
LOGIN = re.compile(r"/v1/auth/.+/login$")
SIGNED = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+)/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)")


# ------------------------------------------------------------------ stub servers

Request = collections.namedtuple("Request", "origin method target headers body")


class Handler(http.server.BaseHTTPRequestHandler):
    """Accepts every method and hands the raw request to the server's `answer`."""

    protocol_version = "HTTP/1.1"

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.exchange
        raise AttributeError(name)

    def log_message(self, *_):
        pass

    def exchange(self):
        target = self.requestline.split(" ")[1]  # self.path folds leading slashes
        request = Request(self.server.origin, self.command, target, self.headers.items(), self.read_body())
        self.server.answer(self, request)

    def read_body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def reply(self, status, headers=(), body=b"", cut=None):
        names = {name.lower() for name, _ in headers}
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in headers:
            self.send_header(name, value)
        if "content-length" not in names and status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True

    def peer_left(self, seconds):
        """Wait; True as soon as the peer closes the connection."""
        if isinstance(self.connection, ssl.SSLSocket):
            time.sleep(seconds)
            return False
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.connection], [], [], left)[0]:
                try:
                    if self.connection.recv(1, socket.MSG_PEEK) == b"":
                        return True
                except OSError:
                    return True
                time.sleep(0.02)
        return False


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, origin, port, answer, tls=None):
        self.origin, self.answer, self.tls, self.open = origin, answer, tls, set()
        super().__init__((HOST, port), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def finish_request(self, connection, address):
        connection.settimeout(CASE_LIMIT)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        self.open.add(connection)
        try:
            super().finish_request(connection, address)
        finally:
            self.open.discard(connection)

    def handle_error(self, *_):
        pass

    def stop(self):
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class LambdaApi:
    """The Extensions API: register, next, init/error, exit/error."""

    def __init__(self, spec):
        self.spec, self.calls, self.events = spec, [], queue.Queue()
        self.next_calls, self.seen = 0, threading.Condition()
        self.server = Server("lambda", LAMBDA_PORT, self.answer)

    def answer(self, http_, request):
        call = request.target.removeprefix("/2020-01-01/extension/")
        headers = {name.lower(): value for name, value in request.headers}
        if call == "register":
            return self.register(http_, headers, json.loads(request.body or b"{}"))
        if call == "event/next":
            return self.next(http_, headers)
        record = {"call": call, "error_type_given": "lambda-extension-function-error-type" in headers}
        self.calls.append(record)
        return http_.reply(202, [("Content-Type", "application/json")], b'{"status":"OK"}')

    def register(self, http_, headers, body):
        events = sorted(body.get("events", []))
        self.calls.append({"call": "register", "named": bool(headers.get("lambda-extension-name")), "events": events})
        if refusal := self.spec.get("register"):
            if "INVOKE" in events or not refusal.get("only_invoke"):
                return http_.reply(refusal["status"], [("Content-Type", "application/json")], encode(refusal["json"]))
        body = {"functionName": "f", "functionVersion": "$LATEST", "handler": "app.handler", "accountId": "123456789012"}
        return http_.reply(200, [("Content-Type", "application/json"), ("Lambda-Extension-Identifier", EXTENSION_ID)], encode(body))

    def next(self, http_, headers):
        known = headers.get("lambda-extension-identifier") == EXTENSION_ID
        self.calls.append({"call": "event/next", "identifier_right": known})
        with self.seen:
            self.next_calls += 1
            self.seen.notify_all()
        refusals = self.spec.get("next", {})
        if self.next_calls >= refusals.get("from_call", 10**9):
            return http_.reply(refusals["status"], [("Content-Type", "application/json")], encode(refusals["json"]))
        event = self.events.get()
        return http_.reply(200, [("Content-Type", "application/json")], encode(event))

    def send(self, kind):
        deadline = int(time.time() * 1000) + (2000 if kind == "SHUTDOWN" else 30000)
        event = {"eventType": kind, "deadlineMs": deadline}
        if kind == "INVOKE":
            event |= {"requestId": "3da1f2dc-3222-475e-9205-e2e6c6318895", "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-0"},
                      "invokedFunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f"}
        else:
            event["shutdownReason"] = "spindown"
        self.events.put(event)

    def wait_next(self, count, seconds, stop=lambda: False):
        end = time.monotonic() + seconds
        with self.seen:
            while self.next_calls < count and time.monotonic() < end and not stop():
                self.seen.wait(0.02)
            return self.next_calls >= count


class Vault:
    """Answers by the case's rules, else like a small Vault; keeps every request in order of arrival."""

    def __init__(self, spec):
        self.lock, self.requests = threading.Lock(), []
        self.logins, self.serials = 0, collections.Counter()
        self.configure(spec)

    def configure(self, spec):
        self.rules = [dict(rule, left=list(rule["answers"])) for rule in spec.get("rules", [])]
        self.token = {"ttl": 3600, "renewable": True, "type": "service"} | spec.get("token", {})

    def answer(self, http_, request):
        with self.lock:
            record = {"request": request}
            self.requests.append(record)
            answer = self.choose(request)
        if answer.get("hang") or answer.get("delay"):
            record["client_gone"] = http_.peer_left(answer.get("delay", CASE_LIMIT))
            if record["client_gone"]:
                http_.close_connection = True
                return None
        if answer.get("close"):
            http_.close_connection = True
            return None
        return self.send(http_, request, answer)

    def choose(self, request):
        path = local_part(request.target)
        for rule in self.rules:
            method, pattern = rule["on"].split(" ", 1)
            fits = method in ("*", request.method) or method == "WRITE" and request.method in ("PUT", "POST")
            if fits and fnmatch.fnmatchcase(path, pattern):
                answer = rule["left"].pop(0) if len(rule["left"]) > 1 else rule["left"][0]
                return answer if not (answer.get("as_usual") or "auth" in answer) else self.usual(request, path) | answer
        return self.usual(request, path)

    def usual(self, request, path):
        bare = path.split("?")[0]
        write = request.method in ("PUT", "POST")
        if write and LOGIN.search(bare):
            self.logins += 1
            return {"login": True}
        if write and bare.endswith("/auth/token/renew-self"):
            return {"login": True}
        if write and bare.endswith("/auth/token/revoke-self"):
            return {"status": 204, "body": ""}
        self.serials[path] += 1
        if request.method == "LIST" or request.method == "GET" and "list=true" in path:
            return {"json": envelope({"keys": ["a", "b/"]})}
        if request.method == "GET" and "/kv/data/" in bare:
            meta = {"created_time": "2025-01-15T10:22:33.123456789Z", "custom_metadata": None, "deletion_time": "", "destroyed": False, "version": 3}
            return {"json": envelope({"data": {"password": SECRET, "serial": self.serials[path]}, "metadata": meta})}
        if request.method == "GET":
            return {"json": envelope({"password": SECRET, "serial": self.serials[path]}, lease_duration=2764800)}
        return {"json": envelope({"received": len(request.body), "serial": self.serials[path]})}

    def send(self, http_, request, answer):
        if answer.get("login"):
            auth = {"client_token": f"{TOKEN_STEM}-{self.logins}", "accessor": "accessor-1", "policies": ["default"], "token_policies": ["default"],
                    "metadata": {"role": "lambda"}, "lease_duration": self.token["ttl"], "renewable": self.token["renewable"],
                    "entity_id": "entity-1", "token_type": self.token["type"], "orphan": True, "num_uses": 0}
            answer = {"json": envelope(None, auth=auth | answer.get("auth", {}))} | answer
        body = answer["body"].encode() if "body" in answer else encode(answer["json"]) + b"\n"
        if size := answer.get("size"):
            body = b"v" * size
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        if "headers" in answer:
            headers = list(answer["headers"].items())
        if answer.get("gzip") and "gzip" in dict((n.lower(), v) for n, v in request.headers).get("accept-encoding", ""):
            body, headers = gzip.compress(body, mtime=0), headers + [("Content-Encoding", "gzip")]
        http_.reply(answer.get("status", 200), headers, body, answer.get("cut"))


class Sts:
    """AssumeRole only; GetCallerIdentity is Vault's business and must never arrive here."""

    def __init__(self, spec, vault):
        self.spec, self.vault = spec, vault

    def answer(self, http_, request):
        with self.vault.lock:
            self.vault.requests.append({"request": request})
        if self.spec.get("status", 200) != 200:
            error = f"<ErrorResponse><Error><Code>{self.spec['code']}</Code><Message>refused</Message></Error></ErrorResponse>"
            return http_.reply(self.spec["status"], [("Content-Type", "text/xml")], error.encode())
        return http_.reply(200, [("Content-Type", "text/xml")], ASSUME_ROLE_ANSWER.encode())


def encode(value):
    return json.dumps(value, separators=(",", ":")).encode()


def envelope(data, **more):
    return {"request_id": "5f2c1c6e-8a0b-4f6b-9a51-0d3a6f1f7c11", "lease_id": "", "renewable": False, "lease_duration": 0,
            "data": data, "wrap_info": None, "warnings": None, "auth": None} | more


def local_part(target):
    """Path and query of a target, which a forward proxy receives in absolute form."""
    if "://" not in target.split("?")[0]:
        return target
    return "/" + target.split("://", 1)[1].partition("/")[2]


# ------------------------------------------------------------------ AWS signatures

def signature_is_right(keys, method, url, headers, body):
    """Recompute a version 4 signature from the parts that were sent."""
    found = SIGNED.match(headers.get("authorization", ""))
    if not found or found[1] != keys["AWS_ACCESS_KEY_ID"]:
        return False
    _, day, region, service, signed, signature = found.groups()
    parts = urllib.parse.urlsplit(url)
    given = {"host": parts.netloc, "content-length": str(len(body))} | headers
    canonical = "\n".join([method, parts.path or "/", "", *(f"{name}:{' '.join(given.get(name, '').split())}" for name in signed.split(";")),
                           "", signed, hashlib.sha256(body).hexdigest()])
    scope = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", headers.get("x-amz-date", ""), scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest() == signature


def scope_of(authorization):
    found = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", authorization)
    return {"region": found[1], "service": found[2]} if found else None


def is_now(stamp):
    try:
        then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return False
    return abs(then.timestamp() - time.time()) < 60


def decoded_login(raw, full):
    """What an IAM login says; addresses, header names and scope only where the case is about them."""
    try:
        body = json.loads(raw)
        given = body["iam_request_headers"]
        headers = json.loads(base64.b64decode(given)) if isinstance(given, str) else given
        headers = {k.lower(): v[0] if isinstance(v, list) else v for k, v in headers.items()}
        url, sent = (base64.b64decode(body[k]).decode() for k in ("iam_request_url", "iam_request_body"))
    except (ValueError, KeyError, TypeError) as error:
        return {"unreadable": type(error).__name__}
    keys = ASSUMED if headers.get("x-amz-security-token") == ASSUMED["AWS_SESSION_TOKEN"] else AWS
    authorization = headers.get("authorization", "")
    login = {
        "fields": sorted(body), "role": body.get("role"), "method": body.get("iam_http_request_method"), "body": sent,
        "session_token": headers.get("x-amz-security-token"), "server_id": headers.get("x-vault-aws-iam-server-id"),
        "server_id_signed": "x-vault-aws-iam-server-id" in authorization,
        "signature_right": signature_is_right(keys, "POST", url, headers, sent.encode()),
        "date_is_now": is_now(headers.get("x-amz-date", "")),
    }
    if full:
        signed = re.search(r"SignedHeaders=([^,]+)", authorization)
        login |= {"url": url, "header_names": sorted(headers), "signed_headers": signed and signed[1],
                  "scope": scope_of(authorization), "content_type": headers.get("content-type")}
    return login


# ------------------------------------------------------------------ transcripts

def text_of(raw):
    if len(raw) > LONG_BODY:
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    text = raw.decode("utf-8", "backslashreplace")
    return re.sub(r"(127\.0\.0\.1:)\d+(->127\.0\.0\.1)", r"\1PORT\2", text)


def grouped(headers, ignored):
    groups = collections.defaultdict(list)
    for name, value in headers:
        if name.lower() not in ignored:
            groups[name.lower()].append(value)
    return dict(sorted(groups.items()))


def upstream_record(entry, detail):
    request = entry["request"]
    path, _, query = request.target.partition("?")
    ignored = UPSTREAM_IGNORED - HOP_HEADERS if "hop-headers" in detail else UPSTREAM_IGNORED
    headers = grouped(request.headers, ignored)
    record = {"to": request.origin, "method": request.method, "path": path, "query": query, "headers": headers}
    if "user-agent" in headers:
        headers["user-agent"] = ["PRESENT"] * len(headers["user-agent"])
    if request.origin.startswith("sts"):
        record["headers"] = {}
        sent = {name.lower(): value for name, value in request.headers}
        record["scope"] = scope_of(sent.get("authorization", ""))
        record["host"] = sent.get("host")
        record["form"] = dict(sorted(urllib.parse.parse_qsl(request.body.decode())))
    elif OWN_WRITE.search(path):
        record["headers"] = {n: v for n, v in headers.items() if n.startswith("x-") or n == "user-agent"}
        record["body"] = decoded_login(request.body, "login" in detail) if LOGIN.search(path) else text_of(request.body)
    else:
        record["body"] = text_of(request.body)
    if "client_gone" in entry:
        record["client_gone"] = entry["client_gone"]
    return record


def written_files():
    """Regular files under /tmp and the directories that lead to them."""
    files = {}
    for path in sorted(p for p in pathlib.Path("/tmp").rglob("*") if p.is_file() and not p.is_symlink()):
        raw = path.read_bytes()
        for parent in reversed(path.parents[:-2]):
            files.setdefault(str(parent), {"directory": True, "mode": mode_of(parent)})
        try:
            content = json.loads(raw)
        except ValueError:
            content = "NOT JSON"
        files[str(path)] = {"mode": mode_of(path), "json": content, "raw": text_of(raw)}
    return files


def mode_of(path):
    return f"{path.stat().st_mode & 0o7777:04o}"


# ------------------------------------------------------------------ one case, inside its namespaces

def wire_form(step):
    """The bytes of a request, exactly as the case says."""
    body = step.get("body", "").encode() or b"b" * step.get("body_size", 0)
    headers = [("Host", f"{HOST}:{PROXY_PORT}"), *step.get("headers", [])]
    if step.get("chunked"):
        headers.append(("Transfer-Encoding", "chunked"))
        half = len(body) // 2
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part) + b"0\r\n\r\n"
    elif body:
        headers.append(("Content-Length", str(len(body))))
    head = f"{step.get('method', 'GET')} {step['path']} HTTP/{step.get('version', '1.1')}\r\n"
    return (head + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode() + body


def exchange(connection, step):
    connection.settimeout(step.get("timeout", 10))
    connection.sendall(wire_form(step))
    if "hang_up_after" in step:
        time.sleep(step["hang_up_after"])
        return {"hung_up": True}
    response = http.client.HTTPResponse(connection, method=step.get("method", "GET"))
    response.begin()
    raw = response.read()
    return {"status": response.status, "headers": grouped(response.getheaders(), RESPONSE_IGNORED), "body": text_of(raw)}


def client_requests(steps):
    """Requests one after another on one fresh connection, up to the first that fails."""
    results = []
    try:
        with socket.create_connection((HOST, PROXY_PORT), 2) as connection:
            for step in steps:
                results.append(exchange(connection, step))
    except ConnectionRefusedError:
        results.append({"error": "refused"})
    except TimeoutError:
        results.append({"error": "no answer"})
    except (OSError, http.client.HTTPException):
        results.append({"error": "connection broken"})
    return results


def client_request(step):
    return client_requests([step])[0]


def parallel_requests(step):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(client_request(step["request"]))) for _ in range(step["n"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    distinct = sorted({json.dumps(answer, sort_keys=True) for answer in answers})
    return {"answers": len(answers), "distinct": [json.loads(text) for text in distinct]}


class Run:
    """The servers and the process of one case."""

    def __init__(self, case, binary):
        self.case, self.idle = case, []
        self.vault = Vault(case.get("vault", {}))
        self.lambda_api = LambdaApi(case.get("lambda", {}))
        self.servers = {name: Server(name, port, self.vault.answer) for name, port in PLAIN_ORIGINS.items()}
        for name, (port, certificate) in TLS_ORIGINS.items():
            self.servers[name] = Server(name, port, self.vault.answer, tls_context(certificate, name == "vault-mtls"))
        sts = Sts(case.get("sts", {}), self.vault)
        self.servers["sts"] = Server("sts", STS_PLAIN_PORT, sts.answer)
        self.servers["sts-tls"] = Server("sts-tls", STS_TLS_PORT, sts.answer, tls_context("sts"))
        for name in case.get("down", []):
            self.servers.pop(name).stop()
        if case.get("occupied"):
            self.servers["squatter"] = Server("squatter", PROXY_PORT, self.vault.answer)
        for path, file in case.get("make", {}).items():
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            pathlib.Path(path).write_text(file["text"])
            pathlib.Path(path).chmod(file["mode"])
        self.log = (STAGE / "log").open("w+b")
        env = AWS | {"AWS_LAMBDA_RUNTIME_API": f"{HOST}:{LAMBDA_PORT}"} | {k: expand(v) for k, v in case["env"].items()}
        self.process = subprocess.Popen([binary], env={k: v for k, v in env.items() if v is not None}, cwd="/", stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log)

    def exited(self):
        return self.process.poll() is not None

    def transcript(self):
        ready = self.lambda_api.wait_next(1, self.case.get("init_wait", INIT_WAIT), self.exited)
        time.sleep(0.02)
        init = "ready" if ready else "exited" if self.exited() else "still busy"
        results = [self.step(step) for step in self.case.get("steps", [])] if ready else []
        time.sleep(0.05)
        process = {"init": init, "alive_at_end": not self.exited(), "exit_code": self.process.poll()}
        detail = self.case.get("detail", [])
        upstream = [upstream_record(entry, detail) for entry in list(self.vault.requests)]  # before the kill, which ends requests
        if self.case.get("unordered"):
            upstream.sort(key=lambda record: json.dumps(record, sort_keys=True))
        if not self.exited():
            self.process.kill()
            self.process.wait()
        self.log.seek(0)
        log = self.log.read().decode("utf-8", "replace")
        leaks = {"secret_in_log": SECRET in log, "token_in_log": TOKEN_STEM in log,
                 "aws_key_in_log": any(keys["AWS_SECRET_ACCESS_KEY"] in log for keys in (AWS, ASSUMED))}
        return {"process": process, "lambda": self.lambda_api.calls, "upstream": upstream, "steps": results, "files": written_files(), "log": leaks}

    def step(self, step):
        kind = step["do"]
        if kind == "request":
            return client_request(step)
        if kind == "parallel":
            return parallel_requests(step)
        if kind == "same-connection":
            return {"answers": client_requests(step["requests"])}
        if kind == "sleep":
            time.sleep(step["s"])
        elif kind == "vault":
            with self.vault.lock:
                self.vault.configure(step)
        elif kind == "vault-down":
            self.servers.pop(step.get("name", "vault")).stop()
        elif kind == "vault-up":
            name = step.get("name", "vault")
            self.servers[name] = Server(name, PLAIN_ORIGINS[name], self.vault.answer)
        elif kind == "begin":
            threading.Thread(target=client_request, args=(step,), daemon=True).start()
            time.sleep(0.15)
        elif kind == "connect":
            self.idle.append(socket.create_connection((HOST, PROXY_PORT), 2))
        elif kind == "invoke":
            before = self.lambda_api.next_calls
            self.lambda_api.send("INVOKE")
            return {"next_again": self.lambda_api.wait_next(before + 1, 5, self.exited)}
        elif kind == "shutdown":
            self.lambda_api.send("SHUTDOWN")
            return self.ending(step.get("within", 2.5))
        elif kind == "signal":
            self.process.send_signal(getattr(signal, step["name"]))
            return self.ending(step.get("within", 2.5))
        elif kind == "await-exit":
            return self.ending(step["within"])
        else:
            raise ValueError(f"unknown step {kind}")
        return {}

    def ending(self, within):
        try:
            return {"exited_in_time": True, "code": self.process.wait(within)}
        except subprocess.TimeoutExpired:
            return {"exited_in_time": False}


def expand(value):
    """`{{file:NAME}}` in a variable stands for the text of a generated certificate."""
    return value and re.sub(r"\{\{file:([\w.-]+)\}\}", lambda found: (STAGE / "pki" / found[1]).read_text(), value)


def tls_context(certificate, needs_client=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(STAGE / "pki" / f"{certificate}.pem", STAGE / "pki" / f"{certificate}.key")
    if needs_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(STAGE / "pki" / "ca.pem")
    return context


def run_inside(job):
    """Furnish the namespaces that `unshare` made, then run the case. Nothing here is seen outside."""
    os.umask(0o022)
    pki = {path.name: path.read_bytes() for path in pathlib.Path(job["pki"]).iterdir()}
    binary = pathlib.Path(job["bin"])
    mount = lambda *words: subprocess.run(["mount", *words], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    mount("-t", "tmpfs", "none", str(STAGE))
    shutil.copy(binary, STAGE / binary.name)
    for name, content in pki.items():
        for folder in [STAGE / "pki"] + ([STAGE / "pki" / "capath"] if name == "ca.pem" else []):
            folder.mkdir(exist_ok=True, parents=True)
            (folder / name).write_bytes(content)
    (STAGE / "hosts").write_text("127.0.0.1 localhost " + " ".join(NAMES) + "\n")
    (STAGE / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    for name in ("hosts", "resolv.conf"):
        mount("--bind", str(STAGE / name), os.path.realpath(f"/etc/{name}"))
    mount("-t", "tmpfs", "-o", "mode=1777", "none", "/tmp")
    return Run(job["case"], str(STAGE / binary.name)).transcript()


# ------------------------------------------------------------------ all cases, outside

def run_case(case, binary, pki):
    unshare = ["unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"]
    if os.geteuid() != 0:
        unshare.insert(1, "--map-root-user")
    job = json.dumps({"case": case, "bin": binary, "pki": pki})
    command = [*unshare, sys.executable, os.path.abspath(__file__), "_inside"]
    try:
        done = subprocess.run(command, input=job, capture_output=True, text=True, timeout=CASE_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return {"runner": f"took more than {CASE_LIMIT:.0f} s"}
    if done.returncode:
        return {"runner": done.stderr[-2000:]}
    return json.loads(done.stdout)


def make_pki(folder):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    for ca in ("ca", "otherca"):
        openssl("req", "-x509", *new_key, "-subj", f"/CN=conform {ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    leaves = {"server": "subjectAltName=IP:127.0.0.1,DNS:vault.test", "badname": "subjectAltName=DNS:other.test",
              "sts": "subjectAltName=" + ",".join(f"DNS:{name}" for name in NAMES[1:]), "client": "extendedKeyUsage=clientAuth"}
    for name, extension in leaves.items():
        pathlib.Path(folder, f"{name}.ext").write_text(extension + "\nbasicConstraints=CA:FALSE\n")
        openssl("req", *new_key, "-subj", f"/CN=conform {name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def differences(want, got, path=()):
    if isinstance(want, dict) and isinstance(got, dict):
        for key in sorted(want.keys() | got.keys()):
            yield from differences(want.get(key, "ABSENT"), got.get(key, "ABSENT"), (*path, key))
    elif isinstance(want, list) and isinstance(got, list):
        for index in range(max(len(want), len(got))):
            pair = (side[index] if index < len(side) else "ABSENT" for side in (want, got))
            yield from differences(*pair, (*path, str(index)))
    elif want != got:
        yield ">".join(path), want, got


def comparable(transcript):
    """Leave out what means nothing to Vault: PUT or POST in the extension's own requests,
    a token sent along with a login, an empty X-Vault-Index."""
    copy = json.loads(json.dumps(transcript))
    for record in copy.get("upstream", []):
        if OWN_WRITE.search(record["path"]) and record["method"] in ("PUT", "POST"):
            record["method"] = "WRITE"
        if LOGIN.search(record["path"]):
            record["headers"].pop("x-vault-token", None)
        if record["headers"].get("x-vault-index") == [""]:
            del record["headers"]["x-vault-index"]
    return copy


def value_at(transcript, path):
    value = transcript
    for part in path.split(">"):
        try:
            value = len(value) if part == "#" else value[int(part)] if isinstance(value, list) else value[part]
        except (LookupError, TypeError, ValueError):
            return "ABSENT"
    return value


def as_list(value):
    return value if isinstance(value, list) else [value]


def judge(want, got, intended):
    """(verdict, unintended differences, lines to show)."""
    found = list(differences(comparable(want), comparable(got)))
    unintended, reasons = [], []
    for path, old, new in found:
        for entry in intended:
            if any(path == glob or fnmatch.fnmatchcase(path, glob) or path.startswith(glob + ">") for glob in as_list(entry["field"])):
                reasons.append(entry["reason"])
                break
        else:
            unintended.append(f"{path}: expected {brief(old)}, got {brief(new)}")
    for entry in intended:
        for path, wanted in entry.get("check", {}).items():
            if not meets(value := value_at(got, path), wanted):
                unintended.append(f"{path}: our product wants {brief(wanted)}, got {brief(value)} ({entry['reason']})")
    if unintended:
        return "DIFFERS", unintended
    return ("differs", sorted(set(reasons))) if found else ("same", [])


def meets(value, wanted):
    """Compare with a value, or with one of the forms that README.md lists."""
    form = next(iter(wanted)) if isinstance(wanted, dict) and len(wanted) == 1 else None
    if form == "matches":
        return isinstance(value, str) and re.search(wanted[form], value) is not None
    if form == "one_of":
        return value in wanted[form]
    if form == "not":
        return value != wanted[form]
    if form == "calls":
        return isinstance(value, list) and [record["call"] for record in value] in wanted[form]
    return value == wanted


def brief(value):
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:150] + f"... ({len(text)} characters)"


def record(options):
    cases = json.loads(pathlib.Path(options.cases).read_text())
    transcripts = {}
    with tempfile.TemporaryDirectory() as pki:
        make_pki(pki)
        for case in chosen(cases, options.only):
            began = time.monotonic()
            transcripts[case["id"]] = run_case(case, os.path.abspath(options.bin), pki)
            failed = transcripts[case["id"]].get("runner")
            print(f"{case['id']}: {'RUNNER FAILED: ' + failed if failed else f'{time.monotonic() - began:.1f} s'}", flush=True)
    pathlib.Path(options.out).write_text(json.dumps(transcripts, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return int(any("runner" in transcript for transcript in transcripts.values()))


def replay(options):
    cases = json.loads(pathlib.Path(options.cases).read_text())
    expected = json.loads(pathlib.Path(options.expect).read_text())
    intended = collections.defaultdict(list)
    for name in options.intended:
        for case_id, entries in json.loads(pathlib.Path(name).read_text()).items():
            intended[case_id] += as_list(entries)
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as pki:
        make_pki(pki)
        for case in chosen(cases, options.only):
            got = run_case(case, os.path.abspath(options.bin), pki)
            verdict, lines = judge(expected[case["id"]], got, intended[case["id"]])
            counts[verdict] += 1
            note = f" (intended: {'; '.join(lines)})" if verdict == "differs" else ""
            print(f"{case['id']}: {verdict}{note}", flush=True)
            if verdict == "DIFFERS":
                print(f"    {case['shows']}")
                for line in lines if options.v else lines[:6]:
                    print(f"    {line}")
                if len(lines) > 6 and not options.v:
                    print(f"    ... and {len(lines) - 6} more (-v)")
            if options.v and verdict != "same":
                print("    " + json.dumps(got, ensure_ascii=False))
    print(f"{counts['same']} same, {counts['differs']} differ as intended, {counts['DIFFERS']} DIFFER")
    return int(counts["DIFFERS"] > 0)


def chosen(cases, only):
    return [case for case in cases if not only or any(fnmatch.fnmatchcase(case["id"], glob) for glob in only)]


def main():
    if sys.argv[1:] == ["_inside"]:
        answer = json.dumps(run_inside(json.load(sys.stdin)))
        sys.stdout.write(answer)
        sys.stdout.flush()
        os._exit(0)  # stub threads may still wait on sockets
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, run in (("record", record), ("replay", replay)):
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        verb.add_argument("--bin", required=True)
        verb.add_argument("--cases", required=True)
        verb.add_argument("--only", nargs="+", default=[], metavar="ID", help="case ids, or patterns with *")
    verbs.choices["record"].add_argument("--out", required=True)
    verbs.choices["replay"].add_argument("--expect", required=True)
    verbs.choices["replay"].add_argument("--intended", nargs="+", default=[])
    verbs.choices["replay"].add_argument("-v", action="store_true", help="show every difference and the whole transcript")
    options = parser.parse_args()
    sys.exit(options.run(options))


if __name__ == "__main__":
    main()
