//! Any bytes as an answer and as a continuation.
#![no_main]

#[path = "../../hostile/check.rs"]
mod check;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check::answer(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        check::header(text);
    }
});
