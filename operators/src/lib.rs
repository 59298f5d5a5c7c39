//! Incremental kernels: bars and indicators as pure state machines with exact snapshots.
