"""S3 in front of MiniStack's, which enforces no policy: refuses what the policies of bucket, role and key refuse.

It asks MiniStack at each request for the policies that are there then, so that one which a test has loosened is
loosened here. A write to a bucket whose policy has no statement against overwriting is let through as it is.
"""

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def as_list(value):
    return value if isinstance(value, list) else [value]


def statements(policy):
    policy = json.loads(policy) if isinstance(policy, str) else policy
    return as_list(policy["Statement"])


class Policies:
    """What the emulator's account says at this moment."""

    def __init__(self, emulator):
        clients = [emulator.client(name) for name in ("s3", "kms", "iam", "cloudformation")]
        self.s3, self.kms, self.iam, self.cloudformation = clients
        self.roles = {}

    def refuses_overwriting(self, bucket):
        try:
            policy = self.s3.get_bucket_policy(Bucket=bucket)["Policy"]
        except self.s3.exceptions.ClientError:
            return False
        for statement in statements(policy):
            absent = statement.get("Condition", {}).get("Null", {}).get("s3:if-none-match")
            of_puts = "s3:PutObject" in as_list(statement["Action"])
            everywhere = f"arn:aws:s3:::{bucket}/*" in as_list(statement["Resource"])
            if statement["Effect"] == "Deny" and of_puts and everywhere and absent == "true":
                return True
        return False

    def role_statements(self, bucket):
        role = self.role_of(bucket)
        names = self.iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [self.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names]
        return [statement for document in documents for statement in statements(document)]

    def key_of_bucket(self, bucket):
        """The key of the bucket's stack: MiniStack gives a bucket no encryption, but the role its statements."""
        found = [it["Resource"] for it in self.role_statements(bucket) if it["Sid"] == "UseKeyForBuckets"]
        return as_list(found[0])[0] if found else None

    def may_use(self, bucket, key, action):
        """Whether the key's policy leaves it to the account's, and the function's role may use it."""
        policy = self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        allowing = [it for it in statements(policy) if it["Effect"] == "Allow"]
        delegates = any(":root" in json.dumps(it["Principal"]) for it in allowing)
        of_key = [it for it in self.role_statements(bucket) if key in as_list(it["Resource"])]
        return delegates and any(action in as_list(it["Action"]) for it in of_key)

    def role_of(self, bucket):
        """The role of the function whose stack has the bucket."""
        if bucket not in self.roles:
            for stack in self.cloudformation.describe_stacks()["Stacks"]:
                found = self.cloudformation.list_stack_resources(StackName=stack["StackName"])["StackResourceSummaries"]
                names = {it["LogicalResourceId"]: it.get("PhysicalResourceId") for it in found}
                if bucket in (names.get("ArchiveBucket"), names.get("StateBucket")):
                    self.roles[bucket] = names["CollectorRole"]
        return self.roles[bucket]


class Proxy:
    """Listens until the block ends."""

    def __init__(self, emulator, port):
        policies = Policies(emulator)
        # Of writes one at a time: whether a key is taken is looked up before it is written.
        writing = threading.Lock()
        # The key that each object was written with.
        under = {}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def refusal(self, bucket, key):
                if self.command == "PUT" and policies.refuses_overwriting(bucket):
                    if self.headers.get("If-None-Match") != "*":
                        return "an explicit deny in a resource-based policy"
                action = "kms:GenerateDataKey" if self.command == "PUT" else "kms:Decrypt"
                path = (bucket, key)
                kms_key = policies.key_of_bucket(bucket) if self.command == "PUT" else under.get(path)
                if kms_key and not policies.may_use(bucket, kms_key, action):
                    return f"not authorized to perform: {action} on resource: {kms_key}"
                return None

            def forward(self, method, body):
                connection = HTTPConnection("127.0.0.1", emulator.port, timeout=60)
                headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
                connection.request(method, self.path, body, headers)
                answer = connection.getresponse()
                read = answer.read()
                connection.close()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, headers, read

            def answer(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers.items():
                    if name not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(name, value)
                length = headers.get("content-length", "0") if self.command == "HEAD" else str(len(body))
                self.send_header("content-length", length)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.split("?")[0].strip("/")
                bucket, _, key = path.partition("/")
                refusal = self.refusal(bucket, key) if key else None
                if refusal:
                    text = f"<Error><Code>AccessDenied</Code><Message>{refusal}</Message></Error>"
                    return self.answer(403, {"content-type": "application/xml"}, text.encode())
                status, headers, read = self.forward(self.command, body)
                if self.command == "PUT" and key and status == 200:
                    under[bucket, key] = policies.key_of_bucket(bucket)
                return self.answer(status, headers, read)

            def do_PUT(self):
                with writing:
                    self.serve()

            do_GET = do_HEAD = do_POST = serve

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
