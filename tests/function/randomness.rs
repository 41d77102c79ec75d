//! A process to which the operating system gives no randomness.
//!
//! Holds P2.

use engine::limits::HOUR_MS;

use crate::process::{Function, Outcome};
use fixtures::aws::{ARCHIVE, STATE};
use fixtures::environment::{Environment, INVOCATION_LIMIT, only_stream};
use fixtures::event::{now_ms, series};
use fixtures::preload;

/// Takes the place of the C library's `getrandom`: 16 bytes, which a name that must be unique is made
/// of, cannot be had.
const GETRANDOM: &str = r#"
use std::ffi::{c_int, c_long, c_uint, c_void};

#[cfg(target_arch = "x86_64")]
const GETRANDOM: c_long = 318;
#[cfg(target_arch = "aarch64")]
const GETRANDOM: c_long = 278;
const EIO: c_int = 5;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn __errno_location() -> *mut c_int;
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn getrandom(to: *mut c_void, length: usize, flags: c_uint) -> isize {
    if length == 16 && flags == 0 {
        unsafe { *__errno_location() = EIO };
        return -1;
    }
    unsafe { syscall(GETRANDOM, to, length, flags) as isize }
}
"#;

/// What a weaker source would give may have been given before, to another process.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_randomness_decides_nothing_and_the_next_one_all() {
    let environment = Environment::start().await;
    let events = series(1, 5, now_ms() - HOUR_MS, 1_000);
    environment.load(&events);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let library = preload::library(folder.path(), GETRANDOM);
    let preloaded = [("LD_PRELOAD", library.to_str().expect("a path in UTF-8"))];
    let function = Function::spawn(&environment, &preloaded).await;
    let Outcome::Response(report) = function.invoke("{}", INVOCATION_LIMIT).await else {
        panic!("{}", function.output())
    };
    let error = only_stream(&report)["error"].as_str().expect("an error");
    assert!(error.starts_with("the operating system gave no randomness"), "{report}");
    for bucket in [STATE, ARCHIVE] {
        assert_eq!(environment.aws.buckets.keys(bucket), Vec::<String>::new());
    }
    let function = Function::spawn(&environment, &[]).await;
    function.run("{}").await;
    environment.archive().await.assert_holds(&events);
}
