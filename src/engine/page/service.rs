//! The service of an event as it is written in keys.

/// The label for services that cannot be part of a key.
pub(crate) const OTHER: &str = "_other";

/// The event's own service if it can be part of a key (`^[a-z0-9_]{1,40}$`), else `_other`. The set
/// of services is open: an unknown one is not refused.
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
