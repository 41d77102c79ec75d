//! The time that a run may use.

use crate::limits::{MIB, RESERVE_MS_MAX, RESERVE_MS_PER_MIB};

/// The time that a run may use, in UTC milliseconds of the local clock.
///
/// ```
/// use engine::read::budget::Budget;
///
/// let invocation = Budget { started_ms: 0, deadline_ms: 300_000 };
/// assert_eq!(invocation.read_until_ms(0), 270_000, "30 s are kept for writing");
/// let one_of_three = invocation.share(60_000, 3);
/// assert_eq!((one_of_three.started_ms, one_of_three.deadline_ms), (60_000, 140_000));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// When the invocation began.
    pub started_ms: i64,
    /// When the process is stopped from outside.
    pub deadline_ms: i64,
}

impl Budget {
    /// One stream's part of the time: what is left at `now_ms`, divided equally by `streams_left`,
    /// the number of streams whose turn is still to come.
    #[must_use]
    pub fn share(&self, now_ms: i64, streams_left: usize) -> Self {
        let left_ms = (self.deadline_ms - now_ms).max(0);
        let streams_left = i64::try_from(streams_left).unwrap_or(i64::MAX).max(1);
        Self { started_ms: now_ms, deadline_ms: now_ms + left_ms / streams_left }
    }

    /// When reading must end so that the batch can still be decided and published and the cursor
    /// advanced. The time kept before the deadline is the smaller of 30 s and a third of the
    /// budget, plus 0.1 s per MiB of `bytes_held`, and never more than half of the budget.
    #[must_use]
    pub fn read_until_ms(&self, bytes_held: usize) -> i64 {
        let total_ms = (self.deadline_ms - self.started_ms).max(0);
        let held_mib = i64::try_from(bytes_held / MIB).unwrap_or(i64::MAX / RESERVE_MS_PER_MIB);
        let kept_ms = RESERVE_MS_MAX.min(total_ms / 3) + held_mib * RESERVE_MS_PER_MIB;
        self.deadline_ms - kept_ms.min(total_ms / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_kept_before_the_deadline_and_grows_with_what_is_held() {
        let budget = Budget { started_ms: 0, deadline_ms: 300_000 };
        assert_eq!(budget.read_until_ms(0), 270_000);
        assert_eq!(budget.read_until_ms(50 * MIB), 265_000);
        assert_eq!(budget.read_until_ms(usize::MAX), 150_000);
        let short = Budget { started_ms: 0, deadline_ms: 9_000 };
        assert_eq!(short.read_until_ms(0), 6_000);
    }

    #[test]
    fn time_is_shared_among_the_streams_to_come() {
        let budget = Budget { started_ms: 0, deadline_ms: 100 };
        assert_eq!(budget.share(0, 4).deadline_ms, 25);
        assert_eq!(budget.share(10, 3).deadline_ms, 40, "what one leaves over the others have");
        assert_eq!(budget.share(200, 1).deadline_ms, 200);
    }
}
