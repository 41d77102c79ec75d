"""Starts a function's program as Lambda would, with the template's environment, and has it answer two invocations.

The first asks for a task that there is not: the answer must be the refusal that lists what is accepted. So the program
has read its settings, made its clients and understood an event, and has asked nothing of AWS or JumpCloud. The second
is a deployment's, whose answer would go to this machine: what is deployed answers S3 only.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from samcli.yamlhelper import yaml_parse

SECONDS_MAX = 10
LOOPBACK = {"RequestType": "Delete", "ResponseURL": "http://127.0.0.1:9/"}
# Each event, and what the error says that must answer it.
EVENTS = [({"task": "nothing"}, "accepted are"), (LOOPBACK, "ResponseURL is refused")]
asked, answered = threading.Event(), threading.Event()
invocations = iter(EVENTS)
answers = []


class Runtime(BaseHTTPRequestHandler):
    """Lambda's runtime API, with these invocations."""

    def do_GET(self):
        invocation = next(invocations, None)
        if invocation is None:
            time.sleep(SECONDS_MAX)
            return
        asked.set()
        body = json.dumps(invocation[0]).encode()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "check")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() + SECONDS_MAX) * 1000))
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:111122223333:function:check")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answers.append((self.path, body.decode(errors="replace")))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if len(answers) == len(EVENTS):
            answered.set()

    def log_message(self, *_):
        pass


def environment(template):
    """The function's variables: parameters at their defaults, everything else by its logical name."""

    def named(name):
        if template["Resources"].get(name, {}).get("Type") == "AWS::SQS::Queue":
            return f"https://sqs.us-east-1.amazonaws.com/111122223333/{name}"
        return str(template["Parameters"].get(name, {}).get("Default", name.lower()))

    def holds(condition):
        ((function, argument),) = condition.items()
        if function == "Condition":
            return holds(template["Conditions"][argument])
        if function == "Fn::Equals":
            return value(argument[0]) == value(argument[1])
        held = [holds(each) for each in argument]
        return {"Fn::Not": not held[0], "Fn::And": all(held), "Fn::Or": any(held)}[function]

    def value(node):
        if not isinstance(node, dict):
            return str(node)
        ((function, argument),) = node.items()
        if function == "Ref":
            return named(argument)
        if function == "Fn::If":
            condition, yes, no = argument
            return value(yes if holds({"Condition": condition}) else no)
        if function == "Fn::FindInMap":
            table, row, column = argument
            return str(template["Mappings"][table][value(row)][column])
        if function == "Fn::Sub":
            return re.sub(r"\$\{([A-Za-z0-9]+)\}", lambda found: named(found[1]), argument)
        raise ValueError(f"a variable uses {function}, which this check does not evaluate")

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
    began = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen([program], env=lambda_sets | environment(template), stdout=output, stderr=output)

        def wait_for(event):
            while not event.wait(0.005) and child.poll() is None and time.monotonic() - began < SECONDS_MAX:
                pass
            return (time.monotonic() - began) * 1000

        asked_ms, answered_ms = wait_for(asked), wait_for(answered)
        ended = child.poll()
        child.kill()
        child.wait()
        if len(answers) < len(EVENTS):
            output.seek(0)
            state = "did not answer" if ended is None else f"ended with {ended}"
            sys.exit(f"{program} {state}:\n{output.read().decode(errors='replace')}")
    for (path, body), (event, expected) in zip(answers, EVENTS):
        if not path.endswith("/check/error") or expected not in json.loads(body).get("errorMessage", ""):
            sys.exit(f"{program} answered {event} with {path}: {body}")
    print(f"bootstrap: asked for its first invocation after {asked_ms:.0f} ms, answered two by {answered_ms:.0f} ms")


main(*sys.argv[1:])
