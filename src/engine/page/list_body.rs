//! A page of a console's list: its total, and its rows as the bytes that came. Pure.

use super::split::{json_length, skip_space};
use super::{Page, PageHeaders};

/// Reads a page of a list, `{"totalCount":…,"results":[…]}`, whose strings need not be UTF-8: the
/// list's total, and the rows. `None` if it is anything else.
#[must_use]
pub fn read(body: &[u8]) -> Option<(u64, Page)> {
    let (mut total, mut results) = (None, None);
    let mut at = skip_space(body, 0);
    let mut before = b'{';
    while body.get(at) == Some(&before) {
        at = skip_space(body, at + 1);
        let key = value_at(body, at)?;
        at = skip_space(body, at + key.len());
        if body.get(at) != Some(&b':') {
            return None;
        }
        at = skip_space(body, at + 1);
        let value = value_at(body, at)?;
        match key {
            b"\"totalCount\"" => total = Some(value),
            b"\"results\"" => results = Some(value),
            _ => {}
        }
        at = skip_space(body, at + value.len());
        before = b',';
    }
    if body.get(at) != Some(&b'}') || skip_space(body, at + 1) != body.len() {
        return None;
    }
    let rows = Page::parse(results?.to_vec(), PageHeaders::default()).ok()?;
    Some((serde_json::from_slice(total?).ok()?, rows))
}

/// The JSON value that begins at `at`.
fn value_at(body: &[u8], at: usize) -> Option<&[u8]> {
    let rest = body.get(at..)?;
    rest.get(..json_length(rest)?)
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::page::RowKind;

    fn rows(body: &[u8]) -> Option<(u64, Vec<Vec<u8>>)> {
        let (total, page) = read(body)?;
        Some((total, page.rows().iter().map(|row| page.bytes(row).to_vec()).collect()))
    }

    #[test]
    fn rows_are_the_bytes_that_came() {
        let body = br#" { "totalCount" : 3 , "x": {"results":[]}, "results":[{"a" : 1.50}, 7] } "#;
        assert_eq!(rows(body), Some((3, vec![b"{\"a\" : 1.50}".to_vec(), b"7".to_vec()])));
        assert_eq!(rows(br#"{"results":[],"totalCount":0}"#), Some((0, vec![])));
    }

    #[test]
    fn what_is_not_utf_8_does_not_take_its_neighbours_along() {
        let body = b"{\"results\":[{\"_id\":\"a\"},{\"_id\":\"\xff\"}],\"totalCount\":2}";
        let (total, page) = read(body).expect("a list");
        let kinds: Vec<_> =
            page.rows().iter().map(|row| matches!(row.kind, RowKind::Event(_))).collect();
        assert_eq!((total, kinds), (2, vec![true, false]));
    }

    #[test]
    fn a_body_that_is_not_a_list_is_none() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "{",
            "{\"totalCount\":3}",
            "{\"results\":[]}",
            "{\"totalCount\":-1,\"results\":[]}",
            "{\"totalCount\":\"3\",\"results\":[]}",
            "{\"totalCount\":3,\"results\":{}}",
            "{\"totalCount\":3,\"results\":[}",
            "{\"totalCount\":3,\"results\":[]",
            "{\"totalCount\":3,\"results\":[]}}",
            "{\"totalCount\":3,,\"results\":[]}",
            "{,\"totalCount\":3,\"results\":[]}",
            "{\"totalCount\":3 \"results\":[]}",
            "{\"totalCount\":3,\"results\":[],}",
        ] {
            assert_eq!(rows(body.as_bytes()), None, "{body}");
        }
    }
}
