//! A part's lines, compressed.

use libdeflater::Compressor;

/// One gzip member with modification time 0 and no file name (libdeflate writes neither).
///
/// Tried into a quarter of the raw length first: events compress to a sixth, and a buffer that
/// might hold them uncompressed would be the largest there is.
#[must_use]
pub fn gzip(compressor: &mut Compressor, raw: &[u8]) -> Vec<u8> {
    let bound = compressor.gzip_compress_bound(raw.len());
    for room in [(raw.len() / 4 + 1024).min(bound), bound] {
        let mut gzip = vec![0; room];
        if let Ok(length) = compressor.gzip_compress(raw, &mut gzip) {
            gzip.truncate(length);
            gzip.shrink_to_fit();
            return gzip;
        }
    }
    // The bound is the library's own: what it compresses to always fits.
    Vec::new()
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
        let packed = gzip(&mut Compressor::new(CompressionLvl::default()), &noise);
        let mut raw = vec![0; noise.len()];
        libdeflater::Decompressor::new().gzip_decompress(&packed, &mut raw).unwrap();
        assert_eq!(raw, noise);
    }
}
