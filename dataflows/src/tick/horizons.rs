//! How far back of its watermark each partition can still change its bars.
//!
//! A partition's own state lives as long as its own horizon. What lies beyond the exchange lives as long
//! as the greatest: once epoch e is complete every partition's watermark has passed its end, so whatever
//! partition p still admits lies at most its own horizon before that end, and none further back than the
//! greatest. Lateness has no part in it: the watermark is behind by it already.

use std::sync::Arc;

/// The horizon of every partition of a run, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Horizons {
    each: Arc<[i64]>,
    greatest_ns: i64,
}

impl Horizons {
    /// The same for every partition.
    pub fn all(horizon_ns: i64) -> Self {
        Horizons { each: Arc::default(), greatest_ns: horizon_ns }
    }

    /// One for each partition, by its number; zero where there is none.
    pub fn each(horizons_ns: &[i64]) -> Self {
        let greatest_ns = horizons_ns.iter().copied().max().unwrap_or(0);
        Horizons { each: horizons_ns.into(), greatest_ns }
    }

    /// That of partition number `partition`; the greatest for one that is not known.
    pub fn of(&self, partition: u32) -> i64 {
        self.each.get(partition as usize).copied().unwrap_or(self.greatest_ns)
    }

    /// The greatest of all.
    pub fn greatest_ns(&self) -> i64 {
        self.greatest_ns
    }

    /// Whether one is below zero.
    pub(crate) fn any_negative(&self) -> bool {
        self.greatest_ns < 0 || self.each.iter().any(|&ns| ns < 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_all_or_one_for_each() {
        let (all, each) = (Horizons::all(7), Horizons::each(&[3, 9, 5]));
        assert_eq!((all.of(0), all.of(5), all.greatest_ns()), (7, 7, 7));
        assert_eq!((each.of(0), each.of(1), each.of(5), each.greatest_ns()), (3, 9, 9, 9));
        assert!(!each.any_negative() && Horizons::each(&[3, -1]).any_negative());
        assert_eq!(Horizons::each(&[]).greatest_ns(), 0);
    }
}
