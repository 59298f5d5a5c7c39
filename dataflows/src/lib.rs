//! Kernels on timely dataflow: the tick path, the glue that revises, whole graphs.
//!
//! [`run`] puts a [`Plan`] on workers and processes: partitions are read, admitted and folded where they
//! are polled ([`tick`]), partial bars go to the worker of their symbol, and everything beyond is applied
//! epoch by epoch when the epoch is complete ([`glue`]). A [`LiveView`] is told of trades as they are read.

pub mod checkpoint;
pub mod glue;
mod graph;
mod live;
pub mod tick;
pub mod warm_up;
mod wire;

pub use glue::Empty;
pub use graph::{
    CheckpointProgress, Cluster, Event, IndicatorPlan, Inputs, JoinOpener, Joins, MakeJudge,
    Observer, OpenAll, Opener, Outcome, PartitionProgress, Plan, PlanError, PoolPlan, Progress,
    RunError, Start, TableCount, Watch, WorkerProgress, run,
};
pub use live::{LiveView, Newest};
pub use tick::{Course, Horizons};
