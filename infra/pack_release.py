"""Packs what infra/release has built into the files of a release, and checks them.

    python infra/pack_release.py VERSION TARGET DIST PROCESSOR…

Nothing in the files depends on the machine: names are sorted, and times are that of the commit (SOURCE_DATE_EPOCH).
"""

import gzip
import hashlib
import io
import json
import os
import re
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from release_template import template

NAME = "jumpcloud-collector"
# What a zip may have at most for a quick cold start; tests measure the rest.
PROGRAM_BYTES_MAX = 12_000_000
# As rustc names processors, and as Lambda does.
PROCESSORS = {"x86_64": "x86_64", "aarch64": "arm64"}
# What is copied as it is, beside templates and functions.
COPIED = (
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "docs",
    "events",
    "infra/README.md",
    "infra/athena.yaml",
    "infra/detections",
    "infra/siem",
    "samconfig.toml",
)
LICENCE = re.compile(r"^(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)
# What is in these folders is in no program, and source files may have such a name, too.
FOLDERS_LEFT_OUT = {"benches", "examples", "tests"}
SOURCES = {".c", ".go", ".h", ".py", ".rs"}
# The texts of these are there anyway.
SHIPPED = {"Apache-2.0": "LICENSE-APACHE", "MIT": "LICENSE-MIT"}
EPOCH = int(os.environ["SOURCE_DATE_EPOCH"])


def fail(why):
    sys.exit(f"no release: {why}")


def zipped(name, body, mode):
    """A zip of one file."""
    entry = zipfile.ZipInfo(name, time.gmtime(EPOCH)[:6])
    entry.external_attr = (0o100000 | mode) << 16
    entry.create_system = 3
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(entry, body, zipfile.ZIP_DEFLATED, 9)
    return file.getvalue()


def tarred(folder, members):
    """A tar.gz of files by name, each with its bytes and mode, in one folder."""
    file = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, file, 0) as compressed, tarfile.open("", "w", compressed) as archive:
        for name, (body, mode) in sorted(members.items()):
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(body), mode, EPOCH
            archive.addfile(entry, io.BytesIO(body))
    return file.getvalue()


def dependencies(program):
    """What a program says it was built from: packages with their names, versions and kinds (`cargo auditable`)."""
    (table,) = struct.unpack_from("<Q", program, 0x28)
    size, count, names = struct.unpack_from("<HHH", program, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", program, table + size * n) for n in range(count)]
    start = sections[names][4]
    for name, _, _, _, offset, length in sections:
        if program[start + name :].startswith(b".dep-v0\0"):
            return json.loads(zlib.decompress(program[offset : offset + length]))["packages"]
    return fail("a program does not have the list of its dependencies")


def packages():
    """Every package that this one may be built from, by name and version."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version", "1"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    return {(it["name"], it["version"]): it for it in found}


def licence_files(folder):
    """A package's own, and those of what is within it: code of others, in C or copied, has a folder of its own."""
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder)
        is_text = LICENCE.match(file.name) and file.suffix not in SOURCES and file.is_file()
        if is_text and FOLDERS_LEFT_OUT.isdisjoint(inside.parts):
            yield inside.as_posix(), file.read_text(errors="replace").replace("\r\n", "\n").strip()


def licences(used, known):
    """The licences of these packages: an expression for each, then each text once, with whose it is."""
    listed, texts = [], {}
    for name, version in sorted(used):
        package = known[name, version]
        listed.append(f"{name} {version}: {package['license']}")
        if package["source"] is None:
            # Our own, whose texts come at the end.
            continue
        found = list(licence_files(Path(package["manifest_path"]).parent))
        for file, text in found:
            texts.setdefault(text, []).append(f"{name} {version} ({file})")
        choices = re.split(r" OR |/", package["license"] or "")
        if not found and not any(choice.strip() in SHIPPED for choice in choices):
            fail(f"{name} {version} has no text of its licence, {package['license']}")
    for file in SHIPPED.values():
        texts.setdefault(Path(file).read_text().strip(), []).append(f"{NAME} ({file})")
    parts = ["\n".join(listed)] + [f"{', '.join(whose)}:\n\n{text}" for text, whose in texts.items()]
    return ("\n\n" + "-" * 80 + "\n\n").join(parts).encode() + b"\n"


def bill_of_materials(package, program, processor, used):
    """The CycloneDX document of a program, which must name what the program itself does."""
    manifest = Path(f"src/{package}/Cargo.toml" if package == "collector" else "Cargo.toml")
    # It writes a file beside every manifest.
    command = ["cargo", "cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries"]
    command += ["--no-build-deps", "--target", f"{processor}-unknown-linux-gnu", "--manifest-path", manifest]
    subprocess.run(command, check=True)
    written = manifest.with_name(f"{program}_bin.cdx.json")
    # Paths of this machine name our own packages.
    text = written.read_text().replace(f"file://{Path.cwd()}", "file:///source")
    for pattern in ("*_bin.cdx.json", "src/**/*_bin.cdx.json", "tests/**/*_bin.cdx.json"):
        for file in Path().glob(pattern):
            file.unlink()
    errors = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if errors:
        fail(f"the bill of materials of {program} is not valid: {errors}")
    named = {(it["name"], it["version"]) for it in json.loads(text)["components"]}
    missing = {it for it in used if it not in named and it[0] != package}
    if missing:
        fail(f"the bill of materials of {program} leaves out {sorted(missing)}")
    return text.encode()


def copied():
    """What is committed of the files that are copied."""
    command = ["git", "ls-files", "-z", *COPIED]
    listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {name: (Path(name).read_bytes(), 0o644) for name in listed.split("\0")[:-1]}


def main(version, target, dist, *processors):
    prefix = f"{NAME}-{version}"
    files, used, stack = {}, set(), {}
    for processor in processors:
        theirs = PROCESSORS[processor]
        for package, program in ((NAME, "bootstrap"), ("collector", "collector")):
            body = Path(target, f"{processor}-unknown-linux-gnu", "release", program).read_bytes()
            if len(body) > PROGRAM_BYTES_MAX:
                fail(f"{program} for {theirs} has {len(body)} bytes")
            within = {(it["name"], it["version"]) for it in dependencies(body) if it.get("kind") != "build"}
            used |= within
            name = f"{prefix}-{'function' if program == 'bootstrap' else program}-{theirs}"
            files[f"{name}.cdx.json"] = bill_of_materials(package, program, processor, within)
            if program == "bootstrap":
                files[f"{name}.zip"] = zipped(program, body, 0o755)
                stack[f"function-{theirs}.zip"] = (files[f"{name}.zip"], 0o644)
                template_name = "template.yaml" if theirs == "x86_64" else f"template-{theirs}.yaml"
                stack[template_name] = (template(theirs).encode(), 0o644)
            else:
                files[f"{name}.tar.gz"] = tarred(name, {program: (body, 0o755)})
            print(f"{program} for {theirs}: {len(body)} bytes, {len(within)} packages")
    known = packages()
    files[f"{prefix}-licences.txt"] = licences(used, known)
    stack |= copied()
    stack["LICENCES.txt"] = (files[f"{prefix}-licences.txt"], 0o644)
    files[f"{prefix}.tar.gz"] = tarred(prefix, stack)
    sums = [f"{hashlib.sha256(body).hexdigest()}  {name}\n" for name, body in sorted(files.items())]
    files["SHA256SUMS"] = "".join(sums).encode()
    Path(dist).mkdir()
    for name, body in files.items():
        Path(dist, name).write_bytes(body)
    print("".join(sums), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
