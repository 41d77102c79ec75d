//! Answers beyond the limits: given up on, with the token that leads past them.

use engine::limits::{PAGE_INFLATED_BYTES_MAX, PAGE_WIRE_BYTES_MAX};
use engine::page::Token;
use engine::ports::{Insights as _, InsightsError};
use libdeflater::{CompressionLvl, Compressor};

use super::raw::Raw;

const TOKEN: &str = r#"[1799999999000,"canyouread_this_too_"]"#;
const MIB: usize = 1024 * 1024;

fn head(more: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nX-Search_after: {TOKEN}\r\n{more}\r\n\r\n")
}

/// Sends an answer that is too large; returns the limit that was named with the token.
async fn too_large(head: String, piece: Vec<u8>, times: usize) -> usize {
    let raw = Raw::start().await;
    let (client, request) = (raw.client.clone(), raw.request());
    let server = raw.answer(head, piece, times);
    let answer = client.page(request).await;
    server.abort();
    match answer {
        Err(InsightsError::TooLarge { limit_bytes, headers }) => {
            assert_eq!(headers.token, Token::parse(TOKEN));
            limit_bytes
        }
        other => panic!("{other:?}"),
    }
}

/// What announces itself as too large is not read at all.
#[tokio::test]
async fn a_length_over_the_limit_is_enough() {
    let head = head(&format!("Content-Length: {}", PAGE_WIRE_BYTES_MAX + 1));
    assert_eq!(too_large(head, Vec::new(), 0).await, PAGE_WIRE_BYTES_MAX);
}

/// Without a length it is read up to the limit, and no further.
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_body_is_read_up_to_the_limit() {
    let head = head("Connection: close");
    assert_eq!(too_large(head, vec![b' '; MIB], usize::MAX).await, PAGE_WIRE_BYTES_MAX);
}

/// A quarter of a megabyte on the wire, more than 256 of memory.
#[tokio::test]
async fn a_gzip_bomb_is_not_inflated() {
    let zeros = vec![0; PAGE_INFLATED_BYTES_MAX + 1];
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut bomb = vec![0; compressor.gzip_compress_bound(zeros.len())];
    let length = compressor.gzip_compress(&zeros, &mut bomb).unwrap();
    bomb.truncate(length);
    assert!(length < 2 * MIB);
    let head = head(&format!("Content-Encoding: gzip\r\nContent-Length: {length}"));
    assert_eq!(too_large(head, bomb, 1).await, PAGE_INFLATED_BYTES_MAX);
}
