//! Buffers that are used again. Memory that the system has just given costs more than the copy into
//! it, and pages are megabytes.

use std::sync::Arc;

use engine::page::row::PageBody;

/// Buffers for use again, together within a number of bytes.
#[derive(Debug)]
pub(super) struct Spare {
    /// Some may still be shared.
    buffers: Vec<PageBody>,
    bytes_max: usize,
}

impl Spare {
    /// None yet, and `bytes_max` bytes at most.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { buffers: Vec::new(), bytes_max }
    }

    /// The largest buffer that nobody shares, with whatever it held; an empty one if there is none.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let free = (0..self.buffers.len()).filter(|at| Arc::strong_count(&self.buffers[*at]) == 1);
        let largest = free.max_by_key(|at| self.buffers[*at].capacity());
        let body = largest.map(|at| self.buffers.swap_remove(at));
        body.and_then(Arc::into_inner).unwrap_or_default()
    }

    /// Keeps a buffer, if there is room for it.
    pub(super) fn give(&mut self, buffer: PageBody) {
        let kept: usize = self.buffers.iter().map(|kept| kept.capacity()).sum();
        if kept + buffer.capacity() <= self.bytes_max {
            self.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_comes_first_and_no_more_is_kept_than_may_be() {
        let mut spare = Spare::new(100);
        assert_eq!(spare.take().capacity(), 0);
        for bytes in [20, 60, 30] {
            spare.give(Arc::new(Vec::with_capacity(bytes)));
        }
        let taken: Vec<_> = (0..3).map(|_| spare.take().capacity()).collect();
        assert_eq!(taken, [60, 20, 0], "the third had no room");
    }

    #[test]
    fn what_somebody_still_reads_is_not_written_over() {
        let mut spare = Spare::new(100);
        let read = Arc::new(Vec::with_capacity(60));
        spare.give(Arc::clone(&read));
        assert_eq!(spare.take().capacity(), 0);
        drop(read);
        assert_eq!(spare.take().capacity(), 60);
    }
}
