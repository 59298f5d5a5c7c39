//! How the logs of a run are read: which behind which other, and how far.

use market::Epoch;
use std::sync::Arc;

/// Which logs are read behind which others, and up to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// By the number of a partition, the number of the one that it is read behind; none where that is absent. Once
    /// that one has ended, its open bars stand beside those of the partitions behind it, until these close them.
    pub behind: Arc<[Option<u32>]>,
    /// Nothing of this epoch or a later one is told, and the end of a log closes nothing.
    pub until: Epoch,
}

impl Default for Course {
    fn default() -> Self {
        Course { behind: Arc::default(), until: Epoch::MAX }
    }
}

impl Course {
    /// The partition that `partition` is read behind, if it is.
    pub(crate) fn before(&self, partition: usize) -> Option<u32> {
        self.behind.get(partition).copied().flatten()
    }

    /// Whether others are read behind `partition`.
    pub(crate) fn leads(&self, partition: u32) -> bool {
        self.behind.contains(&Some(partition))
    }

    /// Whether any partition is read behind another.
    pub(crate) fn has_order(&self) -> bool {
        self.behind.iter().any(Option::is_some)
    }

    /// Whether the end of a log leaves open what is open.
    pub(crate) fn is_open(&self) -> bool {
        self.until < Epoch::MAX
    }
}
