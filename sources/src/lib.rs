//! Ticks from files, Kafka and a simulator, decoded ahead, admitted in log order.

mod admission;
mod codec;
mod conditions;
mod feed;
mod file;
mod follow;
mod kafka;
mod layout;
mod memory;
mod merge;
mod pace;
mod partition;
mod simulator;

pub use admission::{
    Admission, AdmissionConfig, AdmissionConfigError, OutlierMode, OutlierRule, Place, Seam,
    SnapshotError, SymbolJudge,
};
pub use codec::{Codec, CodecError, Decoder, EncodeError, Encoder, Message};
pub use conditions::Tape;
pub use feed::{Decoded, Fed, Feed, Heartbeat, Order, RawRecords, Undecoded};
pub use file::{
    FeedOpener, FileError, FileIdentity, FileOrder, FilePartition, FilePartitionInfo, FileSource,
    Files, Previewed, decode_csv, panic_is_guarded, preview,
};
pub use follow::{FollowingPartition, Seams};
pub use kafka::{
    Accepted, Begin, Behind, Control, Decided, Decision, Gap, Joined, KafkaSource,
    KafkaSourceError, KafkaStart, LogPart, PartOpener, Recalled, TopicName, recall, resume_at,
};
pub use layout::{
    EXCLUDED_IDS_MAX, Exclusion, ExclusionError, Layout, LayoutError, LayoutNames, LayoutOptions,
};
pub use memory::MemoryFeed;
pub use merge::MergedFeed;
pub use pace::{Pace, PaceError, PacedFeed};
pub use partition::{AdmittedPartition, Timed};
pub use simulator::{
    Columns, Flaw, SimulatedFeed, Simulation, SimulationError, Tick, Ticks, WriteError, Written,
    write_csv, write_parquet, write_session,
};
