//! Hostile input: whatever bytes an answer holds, nothing panics, every line is one JSON value equal
//! to its source, and every key matches the one pattern. `tests/fuzz` asks the same with a fuzzer.
//!
//! Holds P3.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod check;

use proptest::prelude::*;

/// Pieces from which bodies are put together, in whatever order.
const PIECES: [&[u8]; 34] = [
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\"",
    b"\\",
    b" ",
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"\xff",
    b"\xc2\x85",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xef\xbb\xbf",
    b"null",
    b"true",
    b"-0.0e-10",
    b"123456789012345678901234567890",
    b"\"\\ud800\"",
    b"\"id\":\"a\"",
    b"\"i\\u0064\":\"b\"",
    b"\"service\":\"../../x\"",
    b"\"service\":\"SSO\"",
    b"\"service\":[\"sso\"]",
    b"\"timestamp\":\"2026-11-21T08:00:00.123456789Z\"",
    b"\"timestamp\":\"-009999-01-01T00:00:00Z\"",
    b"\"timestamp\":\"9999-12-31T23:59:60Z\"",
    b"\"timestamp\":1795219200000",
    b"\"organization\":\"5f3c1d2e4b6a79880c1d2e3f\"",
    b"{\"id\":\"a\",\"service\":\"sso\",\"timestamp\":\"2026-11-21T08:00:00Z\"}",
];

fn pieces(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..most).prop_map(|pieces| pieces.concat())
}

/// Whole members, so that most rows are objects.
fn object() -> impl Strategy<Value = Vec<u8>> {
    let member = prop_oneof![
        4 => proptest::sample::select(PIECES[23..33].to_vec()).prop_map(<[u8]>::to_vec),
        1 => any::<(String, String)>().prop_map(|(name, value)| {
            format!("{}:{}", serde_json::json!(name), serde_json::json!(value)).into_bytes()
        }),
    ];
    proptest::collection::vec(member, 0..6).prop_map(|members| {
        let gap: &[u8] = if members.len() % 2 == 0 { b",\n" } else { b"," };
        [b"{", &members.join(gap)[..], b"}"].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes(body in pieces(24)) {
        check::answer(&body);
        check::answer(&[b"[", &body[..], b"]"].concat());
    }

    #[test]
    fn any_events(rows in proptest::collection::vec(object(), 0..5), cut in any::<u16>()) {
        let body = [b"[", &rows.join(&b","[..])[..], b"]"].concat();
        check::answer(&body);
        check::answer(&body[..usize::from(cut) % (body.len() + 1)]);
    }

    #[test]
    fn any_header(text in ".{0,40}", ms in any::<i64>()) {
        check::header(&text);
        check::header(&format!("[{ms},{}]", serde_json::json!(text)));
    }
}

#[test]
fn nesting_without_end_and_rows_without_number() {
    for depth in [200, 100_000] {
        let row = format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        check::answer(format!("[{row}]").as_bytes());
        check::answer("[".repeat(depth).as_bytes());
    }
    check::answer(format!("[{}1]", "1,".repeat(500_000)).as_bytes());
}
