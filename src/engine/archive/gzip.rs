//! Compression of the lines of parts.

use libdeflater::Compressor;

/// One gzip member with modification time 0 and no file name (libdeflate writes neither).
///
/// The first try uses a buffer of a quarter of the raw length: events compress to about a sixth,
/// and a buffer for the worst case would be the largest in the program.
pub(crate) fn gzip(compressor: &mut Compressor, raw: &[u8]) -> Vec<u8> {
    let bound = compressor.gzip_compress_bound(raw.len());
    for length in [(raw.len() / 4 + 1024).min(bound), bound] {
        let mut member = vec![0; length];
        if let Ok(length) = compressor.gzip_compress(raw, &mut member) {
            member.truncate(length);
            return member;
        }
    }
    // The bound is given by the library, so the result always fits.
    unreachable!("larger than libdeflate's own bound")
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
        for expected in [&b"before"[..], &noise] {
            let member = gzip(&mut compressor, expected);
            let mut raw = vec![0; expected.len()];
            libdeflater::Decompressor::new().gzip_decompress(&member, &mut raw).unwrap();
            assert_eq!(raw, expected);
        }
    }
}
