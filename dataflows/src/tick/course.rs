//! How the logs of a run are read: which behind which other, and how far.

use market::Epoch;
use std::sync::Arc;

/// Which logs are read behind which others, and up to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    /// The numbers of the partitions that others are read behind: those which say so of themselves. Once such a one has
    /// ended, its open bars stand beside those of the partitions behind it, until these close them.
    pub leads: Arc<[u32]>,
    /// Nothing of this epoch or a later one is told, and the end of a log closes nothing.
    pub until: Epoch,
}

impl Default for Course {
    fn default() -> Self {
        Course { leads: Arc::default(), until: Epoch::MAX }
    }
}

impl Course {
    /// Whether others are read behind `partition`.
    pub(crate) fn leads(&self, partition: u32) -> bool {
        self.leads.contains(&partition)
    }

    /// Whether any partition is read behind another.
    pub(crate) fn has_order(&self) -> bool {
        !self.leads.is_empty()
    }

    /// Whether the end of a log leaves open what is open.
    pub(crate) fn is_open(&self) -> bool {
        self.until < Epoch::MAX
    }
}
