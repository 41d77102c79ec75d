"""Processes on loopback addresses: MiniStack, the mock of JumpCloud, and deployments into the one of a function
that asks the other."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import boto3

DEPLOYED_SECONDS_MAX = 300


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(command, **options):
    """A process that ends with the block; the end of what it wrote is shown if the block fails."""
    said = options.pop("log")
    with said.open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=options.pop("stdout", log), **options)
        try:
            yield process
        except BaseException:
            print(f"== {said.name}\n{said.read_text(errors='replace')[-6000:]}", file=sys.stderr)
            raise
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for(what, seconds, test):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = test()
        if found is not None:
            return found
        time.sleep(0.5)
    sys.exit(f"{what}: not within {seconds} s")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return None


@contextmanager
def emulated(emulator, mock, scratch):
    """MiniStack at the emulator's port, and JumpCloud's mock by its command: what the mock says of itself."""
    jumpcloud = running(mock, log=scratch / "mock.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    account = running(
        [Path(sys.executable).with_name("ministack")],
        log=scratch / "ministack.log",
        env=os.environ
        | {"AWS_ENDPOINT_URL": emulator.endpoint, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(emulator.port)},
        cwd=scratch,
    )
    with jumpcloud as process, account:
        found = json.loads(process.stdout.readline())
        wait_for("MiniStack", 60, lambda: answers(emulator.port))
        yield found


class Emulator:
    """An account in MiniStack, and what is deployed into it with SAM."""

    def __init__(self, port, sam):
        self.port, self.sam = port, sam
        self.endpoint = f"http://127.0.0.1:{port}"
        self.environment = os.environ | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }
        self.session = boto3.Session("test", "test", region_name="us-east-1")

    def client(self, service):
        return self.session.client(service, endpoint_url=self.endpoint)

    def deploy(self, template, stack, *parameters):
        """Deploys with parameters at their defaults but for the shortest schedule, and those that are given."""
        command = [
            self.sam,
            "deploy",
            "--template-file",
            template,
            "--stack-name",
            stack,
            "--resolve-s3",
            "--capabilities",
            "CAPABILITY_IAM",
            "--no-confirm-changeset",
            "--no-progressbar",
            "--parameter-overrides",
            "ScheduleMinutes=1",
            *parameters,
        ]
        limits = {"capture_output": True, "text": True, "timeout": DEPLOYED_SECONDS_MAX}
        return subprocess.run(command, env=self.environment, **limits)

    def deploy_well(self, template, stack, *parameters):
        began = time.monotonic()
        result = self.deploy(template, stack, *parameters)
        if result.returncode != 0:
            told = "\n".join(self.reasons(stack, "Preflight"))
            sys.exit(f"sam deploy failed:\n{result.stdout[-6000:]}\n{result.stderr[-3000:]}\n{told}")
        print(f"{stack}: deployed in {time.monotonic() - began:.0f} s", flush=True)
        return self.outputs(stack)

    def deploy_in_vain(self, template, stack, ends, says, *parameters):
        """The deployment must fail with this reason of the function's check, and the stack end in this state."""
        began = time.monotonic()
        known = len(self.reasons(stack, "Preflight"))
        result = self.deploy(template, stack, *parameters)
        assert result.returncode != 0, f"{stack}: a stack that cannot work was deployed"
        reasons = self.reasons(stack, "Preflight")
        found = [reason for reason in reasons[: len(reasons) - known] if says in reason]
        assert found, (says, reasons, result.stdout[-3000:], result.stderr[-2000:])
        status = self.status(stack)
        assert status == ends, f"{stack}: {status}"
        print(f"{stack}: taken back in {time.monotonic() - began:.0f} s, because: {found[0]}", flush=True)

    def status(self, stack):
        return self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]

    def reasons(self, stack, resource):
        """What the stack's events say of a resource, newest first; nothing of a stack that there is not."""
        cloudformation = self.client("cloudformation")
        try:
            pages = cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack)
            events = [event for page in pages for event in page["StackEvents"]]
        except cloudformation.exceptions.ClientError:
            return []
        events = [event for event in events if event["LogicalResourceId"] == resource]
        return [event["ResourceStatusReason"] for event in events if "ResourceStatusReason" in event]

    def outputs(self, stack):
        stack = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def with_variables(built, name, variables):
    """A copy of the built template whose function has these variables, too, which no parameter could give it."""
    template = (built / "template.yaml").read_text()
    place = re.search(r"^( +)LOG_LEVEL:", template, re.MULTILINE)
    if place is None or len(place.group(1)) != 10:
        sys.exit("the function's environment is not where it was")
    lines = "".join(f"          {name}: {value}\n" for name, value in variables.items())
    copy = built / name
    copy.write_text(template[: place.start()] + lines + template[place.start() :])
    return copy
