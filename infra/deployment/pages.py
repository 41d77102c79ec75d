"""Makes the calls to AWS that the pages have an operator make, as they are there, of a stack that runs.

The pages name the AWS CLI. A call is made here as the CLI makes it: its options are the members of the operation's
input, by botocore's own model of the service, so a wrong name or type is found.
"""

import re
import tempfile
from pathlib import Path

import jmespath
from botocore import xform_name
from botocore.validate import validate_parameters

from deployment.steps import calls

PAGES = ("docs/runbook.md", "docs/operate.md", "docs/siem/README.md")
# The first needs a stack that only AWS can bring about. The next two change a stack, and are steps of procedures.py.
# The last one is of a secret that is made as in the README, which infra/check-upgrade does.
NOT_HERE = (
    "aws cloudformation ",
    "aws s3 rm ",
    "aws s3api delete-object ",
    "aws secretsmanager delete-secret ",
)
# MiniStack does not have it: its options are compared with the service's model, and nothing is asked.
NOT_ASKED = "start_message_move_task"
SERVICES = {"s3api": "s3"}


def commands():
    """The calls of the pages, in their order: lines of blocks, and code within sentences."""
    for page in PAGES:
        text = Path(page).read_text(encoding="utf-8")
        blocks = re.findall(r"^(aws (?:.|\\\n)*?)$(?<!\\)", text, re.MULTILINE)
        spans = re.findall(r"`(aws [^`]+)`", text)
        for command in sorted(blocks + spans, key=text.index):
            if not command.startswith(NOT_HERE):
                yield page, command


def converted(shape, values):
    """An option's values, in the type of its member."""
    if shape.type_name == "list":
        return values
    (value,) = values
    if shape.type_name in ("integer", "long"):
        return int(value)
    assert shape.type_name == "string", shape
    return Path(value.removeprefix("file://")).read_text() if value.startswith("file://") else value


def call(emulator, command):
    """Makes a call of the CLI, and returns what it would show."""
    ((_, service, operation, *arguments),) = calls(command)
    client = emulator.client(SERVICES.get(service, service))
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    members = {xform_name(name): (name, shape) for name, shape in model.input_shape.members.items()}
    options = {}
    for argument in arguments:
        if argument.startswith("--"):
            values = options.setdefault(argument[2:].replace("-", "_"), [])
        else:
            values.append(argument)
    query = options.pop("query", ["@"])
    given = {members[name][0]: converted(members[name][1], values) for name, values in options.items()}
    validate_parameters(given, model.input_shape)
    if method == NOT_ASKED:
        return {}
    return jmespath.search(query[0], getattr(client, method)(**given))


def follow(emulator, outputs, key):
    """Makes every call, with what a person fills in; each must answer."""
    s3 = emulator.client("s3")
    archive = outputs["ArchiveBucketName"]
    listed = s3.list_objects_v2(Bucket=archive, Prefix="events/")["Contents"]
    state = s3.list_objects_v2(Bucket=outputs["StateBucketName"], Prefix="journal/")["Contents"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "key.txt"
        file.write_text(key)
        for page, command in commands():
            in_archive = "head-object" in command
            filled = outputs | {
                "key": (listed if in_archive else state)[0]["Key"],
                "StateBucketName, or ArchiveBucketName": outputs["StateBucketName"],
                "ARN of the dead-letter queue": outputs["SiemQueue1Arn"],
            }
            told = command.replace("file://key.txt", f"file://{file}")
            for name, value in filled.items():
                told = told.replace(f"<{name}>", value)
            assert not re.search(r"<[A-Za-z]", told), f"{page}: not filled in: {told}"
            answer = call(emulator, told)
            assert answer is not None, f"{page}: {command}: no answer"
            if in_archive:
                assert int(answer) > 0, (command, answer)
            print(f"{page}: {command.splitlines()[0]}", flush=True)
