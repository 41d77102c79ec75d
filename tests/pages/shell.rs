//! A person's shell: the commands of a page, in a folder like a clone of the repository, with the
//! built `collector`, and with what stands for the tools of AWS.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::commands::root;

/// Stands for a tool of AWS: sends its arguments to the test, which answers with an exit code and
/// a text.
const TOOL: &str = r#"#!/usr/bin/env bash
set -euo pipefail
export LC_ALL=C
body=$(printf '%s\x1f' "${0##*/}" "$PWD" "$@")
exec 3<>"/dev/tcp/${ACCOUNT%:*}/${ACCOUNT#*:}"
printf 'POST /tool HTTP/1.1\r\nHost: account\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body" >&3
answer=$(sed '1,/^\r$/d' <&3)
printf '%s\n' "${answer#*$'\n'}"
exit "${answer%%$'\n'*}"
"#;
/// Stands for cargo, which has built the program already.
const CARGO: &str = r#"#!/usr/bin/env bash
[[ $1 == run && $2 == -p && $4 == --no-default-features && $5 == -- ]] && exec "$3" "${@:6}"
echo "cargo is not asked for $*" >&2
exit 101
"#;
/// Stands for the script that installs the tools of AWS.
const INSTALL: &str = "#!/usr/bin/env bash\nmkdir -p .venv/bin\ncp tools/* .venv/bin\n";

/// Makes the folder a clone at the tag `v1` of a repository whose branch has moved on to `v2`. The file
/// `version` is all that it tracks.
const CLONE: &str = r"
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com
git init -q -b main origin
for version in 1 2; do
  echo $version >origin/version
  git -C origin add version
  git -C origin commit -q -m $version
  git -C origin tag v$version
done
git init -q -b main .
git remote add origin ./origin
git fetch -q --tags origin
git checkout -q -B main v1
git branch -q --set-upstream-to origin/main
";

/// A shell whose folder is like a clone of the repository.
pub struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct CommandResult {
    pub code: i32,
    /// Standard output and then standard error.
    pub text: String,
}

impl Shell {
    /// A shell with these variables, and no others but those that any program needs.
    pub fn new(variables: Vec<(String, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path();
        for name in ["template.yaml", "samconfig.toml", "events"] {
            symlink(fs::canonicalize(root().join(name)).unwrap(), clone.join(name)).unwrap();
        }
        for folder in ["programs", "tools", "infra"] {
            fs::create_dir(clone.join(folder)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_collector"), clone.join("programs/collector")).unwrap();
        write_program(&clone.join("programs/cargo"), CARGO);
        write_program(&clone.join("infra/install-tools"), INSTALL);
        for tool in ["sam", "aws"] {
            write_program(&clone.join("tools").join(tool), TOOL);
        }
        Self { folder, variables }
    }

    /// The clone's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes the tools of AWS be found, as a person has them who deploys.
    pub fn has_tools(&mut self) {
        let tools = self.folder().join("tools").to_str().unwrap().to_owned();
        self.variables.push(("TOOLS".to_owned(), tools));
    }

    /// Makes the folder a clone of a repository that has a newer version.
    pub fn is_outdated(&self) {
        let made = self.run(CLONE, &[], "");
        assert_eq!(made.code, 0, "{}", made.text);
    }

    /// Runs text of a page after these words of it were replaced; nothing that a person has to fill in
    /// may be left.
    pub fn run(&self, text: &str, filled: &[(&str, &str)], input: &str) -> CommandResult {
        let text =
            filled.iter().fold(text.to_owned(), |text, (blank, with)| text.replace(blank, with));
        assert!(!has_blank(&text), "not filled in: {text}");
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", &text]).current_dir(self.folder()).env_clear();
        let own: Vec<_> = self.variables.iter().filter(|(name, _)| name == "TOOLS").collect();
        let found = own.first().map(|(_, folder)| format!("{folder}:")).unwrap_or_default();
        let programs = self.folder().join("programs");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{found}{}:{path}", programs.display()));
        for name in ["HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            command.envs(std::env::var(name).map(|value| (name, value)));
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have ended by now.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        CommandResult { code: output.status.code().unwrap_or(-1), text: out + &err }
    }
}

/// Whether a text has a word in angle brackets, or dots for what is left out.
fn has_blank(text: &str) -> bool {
    let opens = |from: &str| from.starts_with(|c: char| c.is_ascii_alphabetic());
    text.contains('…') || text.split('<').skip(1).any(|part| opens(part) && part.contains('>'))
}

fn write_program(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
