//! Small trees that break the rules of `layers`, each in one way, and what is then found.

use crate::layers::{cycles, impure, layers, upward};
use crate::modules::{Files, Modules};

const LAYERS: &str = "\
//! ```text
//! collect    one run
//! ports      the world
//! page       what came
//! time, json                pure
//! ```
";

/// An engine of a few files; those that are named in none are there, and empty.
fn engine(files: &[(&str, &str)]) -> Modules {
    let root = "pub mod collect; pub mod json; pub mod page; pub mod ports; pub mod time;";
    let empty = ["collect/mod", "json", "page/mod", "page/list", "page/row", "ports", "time"];
    let mut tree: Files = empty.map(|name| (path(name), String::new())).into_iter().collect();
    tree.insert(path("lib"), root.to_owned());
    tree.insert(path("page/mod"), "pub mod list; pub mod row;".to_owned());
    tree.extend(files.iter().map(|(name, text)| (path(name), (*text).to_owned())));
    Modules::read(&[("engine".to_owned(), path("lib"))], &tree)
}

fn path(name: &str) -> String {
    format!("src/engine/{name}.rs")
}

/// Whether `page/list`, as it is given, and `page/row` import each other.
fn is_cycle(list: &str) -> bool {
    let row = "use super::list::Walk; pub struct Row; pub fn row() {}";
    let list = format!("pub struct Walk; {list}");
    let found = cycles(&engine(&[("page/list", &list), ("page/row", row)]));
    assert!(found.is_empty() || found.len() == 2, "{found:?}");
    !found.is_empty()
}

#[test]
fn a_cycle_is_found_however_the_path_is_written() {
    assert!(!is_cycle(""));
    for list in [
        "use crate::page::row::Row;",
        "use super::row::{self as other, Row as R};",
        "use super::{row::*};",
        "use super::super::page::row::Row;",
        "fn f(_: crate::page::row::Row) {}",
        "fn f() -> Option<Vec<super::row::Row>> { None }",
        "fn f() { use super::row::row; }",
        "fn f() { super::row::row(); }",
        "fn f() { assert_eq!(1, [super::row::row()].len()); }",
        "use crate::page; fn f() { page::row::row() }",
        "#[derive(Deserialize)] struct S { #[serde(with = \"super::row::row\")] a: u8 }",
        "impl super::row::Row {}",
        "mod inner { use super::super::row::Row; }",
    ] {
        assert!(is_cycle(list), "{list}");
    }
}

#[test]
fn tests_may_import_what_they_test() {
    for list in [
        "#[cfg(test)] mod tests { use crate::page::row::Row; }",
        "#[cfg(test)] fn f(_: crate::page::row::Row) {}",
        "impl Walk { #[cfg(test)] fn f(_: crate::page::row::Row) {} }",
    ] {
        assert!(!is_cycle(list), "{list}");
    }
}

#[test]
fn a_re_export_leads_to_the_file_that_defines() {
    let root = "pub mod list; pub mod row; pub use list::Walk; pub use row::row; pub use row::*;";
    let used = |row: &str| {
        cycles(&engine(&[
            ("page/mod", root),
            ("page/list", "use super::Row; pub struct Walk;"),
            ("page/row", &format!("pub fn row() {{}} pub struct Row; {row}")),
        ]))
    };
    assert_eq!(used(""), Vec::<String>::new());
    assert_eq!(
        used("use crate::page::Walk;"),
        [
            "src/engine/page/list.rs -> src/engine/page/row.rs (super::Row)",
            "src/engine/page/row.rs -> src/engine/page/list.rs (crate::page::Walk)"
        ]
    );
}

#[test]
fn a_folder_and_its_files_are_a_cycle_if_each_imports_the_other() {
    let root = "pub mod list; pub mod row; use list::Walk; pub struct Page;";
    let files = [("page/mod", root), ("page/list", "use super::Page; pub struct Walk;")];
    assert_eq!(cycles(&engine(&files)).len(), 2);
}

#[test]
fn an_import_against_the_direction_is_found() {
    let found = |name: &str, text: &str| {
        let collect = ("collect/mod", "pub struct Engine;");
        upward(&engine(&[collect, (name, text)]), &layers(LAYERS))
    };
    assert_eq!(
        found("page/row", "use crate::collect::Engine;"),
        ["src/engine/page/row.rs -> src/engine/collect/mod.rs (crate::collect::Engine)"]
    );
    assert_eq!(found("ports", "fn f(_: crate::collect::Engine) {}").len(), 1);
    assert_eq!(found("json", "use crate::page::row;").len(), 1);
    assert_eq!(found("collect/mod", "use crate::{json, page::row, ports};"), Vec::<String>::new());
    assert_eq!(found("json", "use crate::time;"), Vec::<String>::new());
    let unknown = engine(&[("lib", "pub mod new;"), ("new", "")]);
    assert_eq!(upward(&unknown, &layers(LAYERS)).len(), 1);
}

#[test]
fn what_is_impure_is_found() {
    let found = |name, text| impure(&engine(&[(name, text)]));
    for text in [
        "async fn f() {}",
        "fn f() { async {} }",
        "fn f() { async || {} }",
        "impl T for S { async fn f() {} }",
        "fn f() { select! { x = y.await => {} } }",
        "#[async_trait::async_trait] trait T {}",
        "use async_trait::async_trait;",
        "use tokio::time::sleep;",
        "fn f() { fastrand::u8(..) }",
        "fn f() -> Result<(), getrandom::Error> { Ok(()) }",
        "use std::fs;",
        "use std::{collections::BTreeMap, env as environment};",
        "use std::time; fn f() { time::Instant::now() }",
        "use std::time::*;",
        "fn f() { log!(std::time::SystemTime::now()) }",
        "fn f(_: std::net::IpAddr) {}",
        "use jiff::Timestamp; fn f() { Timestamp::now() }",
        "mod inner { fn f() { ::std::process::exit(1) } }",
    ] {
        assert!(!found("page/row", text).is_empty(), "{text}");
        assert_eq!(found("collect/mod", text), Vec::<String>::new(), "{text}");
    }
    for text in [
        "use std::time::Duration;",
        "use jiff::Timestamp; fn f(_: Timestamp) {}",
        "use crate::time::Instant; fn f() { Instant::now() }",
        "#[cfg(test)] mod tests { use std::fs; async fn f() {} }",
    ] {
        assert_eq!(found("page/row", text), Vec::<String>::new(), "{text}");
    }
}
