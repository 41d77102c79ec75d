//! What must hold of any bytes that JumpCloud may answer: page reader, line writer, key builder.

use engine::archive::{KeyLayout, event_key, is_archive_key};
use engine::identity::Slot;
use engine::json::{ndjson::Json, surrogates};
use engine::limits::PAGE_ROWS_MAX;
use engine::page::split::PageError;
use engine::page::{Page, PageHeaders, Row, RowKind, Token, service_label};
use engine::stream::StreamId;
use engine::time;
use serde_json::Value;
use serde_json::value::RawValue;

const LAYOUTS: [&str; 3] =
    [KeyLayout::DEFAULT, "org={org}/{service}/{year}/{month}/{day}/{hour}/", "{date}/"];

/// Reads a body as an answer and looks at everything that would become of it.
pub(crate) fn answer(body: &[u8]) {
    let page = Page::parse(body.to_vec(), PageHeaders::default());
    let json: Option<Vec<&RawValue>> = serde_json::from_slice(body).ok();
    let page = match (page, &json) {
        (Ok(page), _) => page,
        (Err(PageError::TooMany), Some(rows)) => return assert!(rows.len() > PAGE_ROWS_MAX),
        (Err(error), Some(_)) => panic!("a JSON array is refused: {error}"),
        (Err(_), None) => return,
    };
    if let Some(json) = json {
        assert_eq!(page.rows().len(), json.len(), "an array's elements are its rows");
        for (row, value) in page.rows().iter().zip(json) {
            assert_eq!(page.bytes(row), value.get().as_bytes(), "a row is its own bytes");
            assert_eq!(
                matches!(row.kind, RowKind::Event(_)),
                value.get().starts_with('{'),
                "what is an object is an event"
            );
        }
    }
    assert!(page.rows().len() <= PAGE_ROWS_MAX, "what is held of a page is bounded");
    let again = Page::parse(body.to_vec(), PageHeaders::default()).unwrap();
    for (one, same) in page.rows().iter().zip(again.rows()) {
        assert_eq!(one.identity, same.identity, "the same row is the same event");
        row(&page, one);
    }
}

fn row(page: &Page, row: &Row) {
    let bytes = page.bytes(row);
    let RowKind::Event(fields) = &row.kind else { return };
    line(bytes);
    let slot = Slot::of(fields.timestamp_ns);
    assert_eq!(Slot::parse(&slot.name()), Some(slot), "a slot's name is read again");
    let ms = fields.timestamp_ns.map_or(0, time::floor_ms);
    for layout in LAYOUTS {
        let layout = KeyLayout::parse(layout).unwrap();
        let service = page.names(row).service;
        let service = service_label(service.as_deref());
        let partition = layout.partition(service, ms, "self");
        assert!(partition.takes(service, ms, "self"), "in its own partition");
        let folders = layout.folders(&partition);
        let key = event_key("events/", &folders, &StreamId::own(), "0a1b2c3d", 1, 0);
        assert!(is_archive_key(&key), "{key}");
        assert!(key.starts_with("events/") && !key.contains(".."), "{key}");
    }
}

/// An event's line is one line, and the same JSON value.
fn line(event: &[u8]) {
    let (json, mut line) = (Json::of(event), Vec::new());
    json.write(&mut line);
    let text = std::str::from_utf8(&line).unwrap();
    assert!(!text.contains(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}']), "{text:?}");
    assert_eq!(json.is_line, line == event);
    assert_eq!(json.has_lone_surrogate, surrogates::lone(event).next().is_some());
    let _: &RawValue = serde_json::from_slice(&line).unwrap();
    let value = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    assert_eq!(value(&line), value(event));
}

/// A continuation is sent back as it came, or it is none.
pub(crate) fn header(text: &str) {
    if let Some(token) = Token::parse(text) {
        assert_eq!(token.json().get(), text.trim());
        assert_eq!(Token::parse(token.json().get()).map(|again| again.ms), Some(token.ms));
    }
}
