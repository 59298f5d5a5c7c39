//! Incremental kernels: bars and indicators as pure state machines with exact snapshots.

pub mod bar;
mod kernel;

pub use kernel::{Kernel, Restore, Snapshot};
