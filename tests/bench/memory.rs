//! What the process takes, as Linux counts it.

/// A line of `/proc/self/status` (`VmRSS`: what is resident now; `VmHWM`: the most that was), in mebibytes.
pub(crate) fn mebibytes(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1_024.0
}
