//! Names the files of `src` that the engine is built from: all but those that need AWS or HTTP.

use std::path::Path;
use std::{env, fs};

const WITHOUT: [&str; 9] = [
    "aws",
    "clock",
    "config",
    "custom_resource",
    "handler",
    "jumpcloud",
    "local",
    "standin",
    "telemetry",
];

fn main() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src").canonicalize().unwrap();
    let list = src.join("lib.rs");
    println!("cargo::rerun-if-changed={}", list.display());
    let mut modules = String::new();
    for line in fs::read_to_string(list).unwrap().lines() {
        let name = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
        let Some(name) = name.filter(|name| !WITHOUT.contains(name)) else { continue };
        let file = src.join(format!("{name}.rs"));
        let path = if file.exists() { file } else { src.join(name).join("mod.rs") };
        modules += &format!("#[path = {path:?}]\npub mod {name};\n");
    }
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("modules.rs"), modules).unwrap();
}
