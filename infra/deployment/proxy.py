"""S3 in front of MiniStack's, which enforces no policy: refuses what the policies of bucket, role and key refuse.

It asks MiniStack at each request for the policies that are there then, so that one which a test has loosened is
loosened here. A write to a bucket whose policy has no statement against overwriting is let through as it is.
"""

import json
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"


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

    def key_of_bucket(self, bucket):
        try:
            rules = self.s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        except self.s3.exceptions.ClientError:
            return None
        return rules[0]["ApplyServerSideEncryptionByDefault"].get("KMSMasterKeyID")

    def may_use(self, bucket, key, action):
        """Whether the key's policy leaves it to the account's, and the function's role may use it."""
        policy = self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
        delegates = any(":root" in json.dumps(it.get("Principal")) for it in statements(policy) if it["Effect"] == "Allow")
        allowing = [
            it
            for name in self.iam.list_role_policies(RoleName=self.role_of(bucket))["PolicyNames"]
            for it in statements(self.iam.get_role_policy(RoleName=self.role_of(bucket), PolicyName=name)["PolicyDocument"])
            if action in as_list(it["Action"]) and key in as_list(it["Resource"])
        ]
        return delegates and bool(allowing)

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

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def refusal(self, bucket, key):
                if self.command == "PUT" and policies.refuses_overwriting(bucket):
                    if self.headers.get("If-None-Match") != "*":
                        return "an explicit deny in a resource-based policy"
                action = "kms:GenerateDataKey" if self.command == "PUT" else "kms:Decrypt"
                kms_key = policies.key_of_bucket(bucket) if self.command == "PUT" else self.key_of_object()
                if kms_key and not policies.may_use(bucket, kms_key, action):
                    return f"not authorized to perform: {action} on resource: {kms_key}"
                return None

            def key_of_object(self):
                return self.forward("HEAD", b"")[1].get(KEY_HEADER)

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
                return self.answer(*self.forward(self.command, body))

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
