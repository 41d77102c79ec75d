"""Makes the template of a release of template.yaml: `python infra/release_template.py x86_64|arm64`.

The function is beside it, built for one processor; nothing is left of how it is built.
"""

import sys
from pathlib import Path


def template(processor):
    text = Path(__file__).parent.with_name("template.yaml").read_text(encoding="utf-8")
    both = "    Default: x86_64\n    AllowedValues: [x86_64, arm64]\n"
    for old, new in (
        ("      CodeUri: .\n", f"      CodeUri: function-{processor}.zip\n"),
        ("      BuildMethod: rust-cargolambda\n      BuildProperties:\n        Binary: bootstrap\n", ""),
        (both, f"    Default: {processor}\n    AllowedValues: [{processor}]\n"),
        ("building it on another processor needs its Rust target.", "a release has a template for each."),
    ):
        if text.count(old) != 1:
            sys.exit(f"template.yaml does not have once: {old}")
        text = text.replace(old, new)
    return text


if __name__ == "__main__":
    print(template(sys.argv[1]), end="")
