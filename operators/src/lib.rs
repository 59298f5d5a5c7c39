//! Incremental kernels: bars and indicators as pure state machines with exact snapshots.

pub mod bar;
pub mod indicator;
mod kernel;
pub mod laws;

pub use kernel::{Kernel, Restore, Snapshot};
