//! What the benchmarks measure with.

/// Processor time, user and system, in seconds, of what `/proc` has under this name; `None` where
/// the system does not tell. It counts in hundredths.
pub(crate) fn processor_seconds(name: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let field = |at| fields.split(' ').nth(at)?.parse::<f64>().ok();
    Some((field(12)? + field(13)?) / 100.0)
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
