//! A service as it stands in keys.

/// The service label of events whose own cannot stand in a key.
pub(crate) const OTHER: &str = "_other";

/// The event's own service where it can stand in a key (`^[a-z0-9_]{1,40}$`), else `_other`. The
/// set of services is open: none is refused for being unknown.
#[must_use]
pub fn service_label(service: Option<&[u8]>) -> &str {
    let plain = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
    service
        .filter(|name| (1..=40).contains(&name.len()) && name.iter().all(plain))
        .and_then(|name| std::str::from_utf8(name).ok())
        .unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_cannot_be_part_of_a_key_is_other() {
        for odd in [&b"../../etc"[..], b"SSO", b"a b", b"", &[b'a'; 41], b"\xff"] {
            assert_eq!(service_label(Some(odd)), "_other");
        }
        assert_eq!(service_label(None), "_other");
        assert_eq!(service_label(Some(b"brand_new_2030")), "brand_new_2030");
    }
}
