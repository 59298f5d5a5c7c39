//! Ticks from files and a simulator, decoded ahead, admitted in log order.

mod admission;
mod feed;
mod memory;
mod partition;

pub use admission::{
    Admission, AdmissionConfig, AdmissionConfigError, OutlierMode, OutlierRule, SnapshotError,
};
pub use feed::{Decoded, Fed, Feed, Heartbeat, RawRecords, Undecoded};
pub use memory::MemoryFeed;
pub use partition::AdmittedPartition;
