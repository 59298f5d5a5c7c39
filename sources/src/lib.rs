//! Ticks from files and a simulator, decoded ahead, admitted in log order.

mod feed;

pub use feed::{Decoded, Fed, Feed, Heartbeat, RawRecords, Undecoded};
