"""Starts a function's program as Lambda would, with the template's environment, until it asks for its first invocation."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from samcli.yamlhelper import yaml_parse

SECONDS_MAX = 10
asked = threading.Event()


class Runtime(BaseHTTPRequestHandler):
    """As much of Lambda's runtime API as a program sees before its first invocation."""

    def do_GET(self):
        if self.path.endswith("/runtime/invocation/next"):
            asked.set()
        time.sleep(SECONDS_MAX)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        print(f"{self.path}: {body.decode(errors='replace')}", file=sys.stderr)
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


def environment(template):
    """The function's variables: parameters at their defaults, everything else by its logical name."""

    def value(node):
        if isinstance(node, dict):
            ((function, argument),) = node.items()
            node = argument if function == "Ref" else argument[1]["Ref"]
            node = template["Parameters"].get(node, {}).get("Default", node.lower())
        return str(node)

    variables = template["Resources"]["Collector"]["Properties"]["Environment"]["Variables"]
    return {name: value(node) for name, node in variables.items()}


def main(template_path, program):
    with open(template_path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lambda_sets = {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
        "AWS_LAMBDA_FUNCTION_NAME": "collector",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "collector",
        "AWS_LAMBDA_LOG_STREAM_NAME": "check",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "PATH": os.environ["PATH"],
    }
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([program], env=lambda_sets | environment(template), stdout=output, stderr=output)
        while not asked.wait(0.005) and child.poll() is None and time.monotonic() - started < SECONDS_MAX:
            pass
        took_ms = (time.monotonic() - started) * 1000
        ended = child.poll()
        child.kill()
        child.wait()
        if not asked.is_set():
            output.seek(0)
            state = "did not ask for an invocation" if ended is None else f"ended with {ended}"
            sys.exit(f"{program} {state}:\n{output.read().decode(errors='replace')}")
    print(f"bootstrap: asked for its first invocation after {took_ms:.0f} ms")


main(*sys.argv[1:])
