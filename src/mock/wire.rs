//! Requests and answers of the mock: HTTP without a connection.

use std::time::Duration;

use bytes::Bytes;

/// One HTTP request as the mock sees it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method in capitals, such as `POST`.
    pub method: String,
    /// The path with its query string, such as `/api/organizations?limit=100`.
    pub path: String,
    /// Names and values in the order sent; a name may be there several times.
    pub headers: Vec<(String, String)>,
    /// The body, empty when there is none.
    pub body: Bytes,
}

impl Request {
    /// A `POST` without headers.
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method: "POST".to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// A `GET` without headers and body.
    pub fn get(path: &str) -> Self {
        Self { method: "GET".to_owned(), ..Self::post(path, Bytes::new()) }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Every value of a header in the order sent.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The path without its query string.
    pub fn route(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// A decoded value of the query string.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        form_value(query.as_bytes(), name)
    }
}

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// A decoded value of a query string or a form body.
pub(crate) fn form_value(form: &[u8], name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(form);
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// One HTTP answer, and how it is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code; 0 if the connection is reset instead.
    pub status: u16,
    /// Names and values in the order to be sent. `Content-Length` is not among them: it follows
    /// from the body and the delivery.
    pub headers: Vec<(String, String)>,
    /// The whole body, already compressed if it is sent compressed.
    pub body: Bytes,
    /// How the answer reaches the client.
    pub delivery: Delivery,
    /// How many rows the body has; 0 if it is not a list.
    pub rows: usize,
}

/// How an answer is delivered to the client. A simulation without connections follows the same
/// instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The whole body with its true `Content-Length`.
    Whole,
    /// The whole body in chunks, without `Content-Length`.
    Chunked,
    /// `Content-Length` of the whole body, but only this many bytes of it, then the end of the
    /// connection.
    CutAfter(usize),
    /// The connection is reset before a byte of the answer.
    Reset,
    /// Nothing for this long, then the whole answer.
    Stall(Duration),
    /// The whole body under this `Content-Length`, whatever its true one is.
    WrongContentLength(u64),
}

impl Answer {
    /// An answer without further headers, sent whole.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            delivery: Delivery::Whole,
            rows: 0,
        }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// The error form of all JumpCloud APIs: `{"message":"…"}`.
    ///
    /// As from Go's encoder, `<`, `>` and `&` are written as escapes.
    pub fn error(status: u16, message: &str) -> Self {
        let text = serde_json::json!({ "message": message })
            .to_string()
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026");
        Self::json(status, text)
    }

    /// The first value of a header, its name compared without case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Sets a header, in place of any of the same name.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) {
        self.remove_header(name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Removes a header.
    pub(crate) fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
    }
}

/// Why a request is not served: a status and the text of its `message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::error(refusal.status, &refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go's encoder escapes angle brackets, and clients have been seen to match on that text.
    #[test]
    fn an_error_message_is_escaped_as_go_does() {
        let answer = Answer::error(400, "a > b");
        assert_eq!(answer.body, r#"{"message":"a \u003e b"}"#);
    }

    /// Filters and sort fields arrive percent-encoded.
    #[test]
    fn a_query_value_is_decoded() {
        let request = Request::get("/api/systemusers?sort=%5Fid&search=a+b%zz");
        assert_eq!(request.query_value("sort").as_deref(), Some("_id"));
        assert_eq!(request.query_value("search").as_deref(), Some("a b%zz"));
        assert_eq!(request.query_value("limit"), None);
    }
}
