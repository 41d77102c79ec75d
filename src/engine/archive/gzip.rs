//! Parts' lines, compressed.

use std::ops::Range;

use libdeflater::Compressor;

use crate::limits::BATCH_BUFFER_BYTES_MAX;

/// Gzip members, one behind the other, in a buffer that is used again: memory that the system has
/// just given costs more than a copy.
#[derive(Debug, Default)]
pub(crate) struct GzipMembers {
    /// Longer than what is used, so that it need not be cleared again.
    room: Vec<u8>,
    used: usize,
}

impl GzipMembers {
    /// None any more.
    pub(crate) fn clear(&mut self) {
        self.used = 0;
        if self.room.capacity() > BATCH_BUFFER_BYTES_MAX {
            self.room = Vec::new();
        }
    }

    /// Adds one member with modification time 0 and no file name (libdeflate writes neither).
    /// Returns where it lies.
    ///
    /// Tried into a quarter of the raw length first: events compress to a sixth, and a buffer that
    /// might hold them uncompressed would be the largest there is.
    pub(crate) fn add(&mut self, compressor: &mut Compressor, raw: &[u8]) -> Range<usize> {
        let bound = compressor.gzip_compress_bound(raw.len());
        for room in [(raw.len() / 4 + 1024).min(bound), bound] {
            let (start, end) = (self.used, self.used + room);
            if self.room.len() < end {
                self.room.resize(end, 0);
            }
            if let Ok(length) = compressor.gzip_compress(raw, &mut self.room[start..end]) {
                self.used = start + length;
                return start..self.used;
            }
        }
        // The bound is the library's own: what it compresses to always fits.
        self.used..self.used
    }

    /// The bytes of a member.
    pub(crate) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.room[range]
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use libdeflater::CompressionLvl;

    use super::*;

    #[test]
    fn what_does_not_compress_is_held_all_the_same() {
        let mut noise = vec![0; 100_000];
        fastrand::Rng::with_seed(1).fill(&mut noise);
        let mut compressor = Compressor::new(CompressionLvl::default());
        let mut members = GzipMembers::default();
        let ranges =
            [&b"before"[..], &noise, b"behind"].map(|raw| members.add(&mut compressor, raw));
        for (range, expected) in ranges.into_iter().zip([&b"before"[..], &noise, b"behind"]) {
            let member = members.get(range);
            let mut raw = vec![0; expected.len()];
            libdeflater::Decompressor::new().gzip_decompress(member, &mut raw).unwrap();
            assert_eq!(raw, expected);
        }
    }
}
