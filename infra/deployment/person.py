"""A person with a release's files and the clients of AWS: runs the commands of the pages in a folder of their own."""

import re
import subprocess
from pathlib import Path

SECONDS_MAX = 300


def block(page, heading, nth=1):
    """The commands of the nth block below a heading."""
    text = Path(page).read_text(encoding="utf-8")
    below = text[text.index(f"\n{heading}\n") :]
    blocks = re.findall(r"^```sh\n(.*?)^```", below, re.MULTILINE | re.DOTALL)
    return blocks[nth - 1].splitlines()


class Person:
    """Their shell begins in a folder that has only what was downloaded."""

    def __init__(self, folder, environment):
        self.folder, self.environment = folder, environment

    def runs(self, lines, answers="", within=""):
        """Runs the lines in one shell, which must succeed, and returns what they print."""
        command = ["bash", "-euo", "pipefail", "-c", "\n".join(lines)]
        options = {"cwd": self.folder / within, "env": self.environment, "input": answers, "text": True}
        ended = subprocess.run(command, capture_output=True, timeout=SECONDS_MAX, **options)
        shown = ended.stdout + ended.stderr
        assert ended.returncode == 0, f"{lines}:\n{shown[-6000:]}"
        for line in lines:
            print(f"  $ {line}", flush=True)
        return shown
