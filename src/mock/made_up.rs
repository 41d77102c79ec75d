//! Identifiers drawn from a seeded generator, in the forms JumpCloud uses.

use fastrand::Rng;

/// 24 hex digits in lower case, as of directory objects.
pub(crate) fn object_id(random: &mut Rng) -> String {
    let bytes: [u8; 12] = std::array::from_fn(|_| random.u8(..));
    hex::encode(bytes)
}

/// A random UUID in lower case.
pub(crate) fn uuid(random: &mut Rng) -> String {
    uuid_of_version(random, 4)
}

/// A UUID with the given version digit, in lower case.
pub(crate) fn uuid_of_version(random: &mut Rng, version: u8) -> String {
    let mut bytes: [u8; 16] = std::array::from_fn(|_| random.u8(..));
    bytes[6] = (version << 4) | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let digits = hex::encode(bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
