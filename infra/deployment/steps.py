"""The steps of a page's procedures: its commands, in order and with their lines, and what only a person can do."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

RUNBOOK, OPERATE = "docs/runbook.md", "docs/operate.md"
PROGRAMS = ("aws", "collector", "git", "sam")
COMMAND = re.compile(r"`((?:{0}) [^`]+)`|^((?:{0}) (?:.|\\\n)*?)$(?<!\\)".format("|".join(PROGRAMS)), re.MULTILINE)
# Steps that only a person can do: page, words of it, and what is done here in their place.
PERSON = (
    (RUNBOOK, "`status` has the stream's `frontier`", "the answer is read"),
    (RUNBOOK, "Remove the organization from the first stack", "deployed with the ids of the others"),
    (RUNBOOK, "Connect the readers to the second stack's archive", "the archive is read by listing it"),
    (RUNBOOK, "never configure the organization in that stack again", "nothing: it is not"),
    (RUNBOOK, "delete that item, and the next run rebuilds it", "the item is deleted through the table's API"),
    (OPERATE, "git pull", "there is no newer version: this program is deployed with other bytes"),
    (OPERATE, "correct that, then", "the bucket's policy is put back, in one of two cases before the command"),
    (OPERATE, "git checkout <version>", "there is no older release: the program from before the upgrade is deployed"),
    (OPERATE, "Deploy with `ScheduleState=DISABLED`", "deployed with this parameter"),
    (OPERATE, "remove the delete markers within 30 days", "every marker is deleted as a version of its key"),
    (OPERATE, "pause the schedule, then restore the versions", "deployed with the parameter; markers are deleted"),
    (OPERATE, "create it empty with the partition key `stream`", "created through the table's API"),
    (OPERATE, "empty each bucket (all versions", "every version is deleted, then bucket and table, through their APIs"),
    (OPERATE, "name the former key in the same deployment", "keys of the emulator, of which one is taken away"),
)


def section(page, heading):
    """The text below a heading, and the number of its first line."""
    text = Path(page).read_text(encoding="utf-8")
    start = text.index(f"\n## {heading}\n") + 1
    end = text.find("\n## ", start)
    return text[start : end if end >= 0 else len(text)], text[:start].count("\n") + 1


def steps(page, heading):
    """The commands below a heading, in their order, each with its place."""
    text, line = section(page, heading)
    for found in COMMAND.finditer(text):
        yield f"{page}:{line + text[: found.start()].count(chr(10))}", found[1] or found[2]


def fill(command, found, **further):
    """A command with the outputs of a stack, and what else a person fills in."""
    for name, value in (found | further).items():
        command = command.replace(f"<{name}>", value)
    assert not re.search(r"<[A-Za-z]", command), f"not filled in: {command}"
    return command


def calls(command):
    """The calls that a shell would make: of each, the program and its arguments."""
    with tempfile.TemporaryDirectory() as folder:
        for name in PROGRAMS:
            program = Path(folder) / name
            program.write_text("#!/bin/sh\nprintf '%s\\0' \"${0##*/}\" \"$@\"\nprintf '\\001'\n")
            program.chmod(0o755)
        found = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
        shell = ["bash", "-euo", "pipefail", "-c", command]
        told = subprocess.run(shell, env=found, capture_output=True, text=True, check=True).stdout
    return [call.split("\0")[:-1] for call in told.split("\1")[:-1]]


def show_by_hand():
    """Each step that only a person can do, by page and line, and what is done in its place."""
    for page, words, instead in PERSON:
        text = Path(page).read_text(encoding="utf-8")
        said = re.search(r"\s+".join(map(re.escape, words.split())), text)
        assert said, f"{page} does not say any more: {words}"
        print(f"{page}:{text[: said.start()].count(chr(10)) + 1}: by hand: {words}: {instead}", flush=True)
