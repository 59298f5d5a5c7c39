//! Whole graphs on timely: the plan, its stages, and how a run starts and ends.

mod by_epoch;
mod follow;
mod greatest;
mod held;
mod inputs;
mod joining;
mod meet;
mod outlet;
mod plan;
mod reader;
mod run;
mod stages;
mod ticks;
mod told;
mod watch;
mod wiring;

pub use inputs::{Inputs, JoinOpener, Joins, OpenAll};
pub use plan::{IndicatorPlan, Plan, PlanError};
pub(crate) use run::Shared;
pub use run::{Cluster, Opener, RunError, Start, run};
pub use watch::{
    CheckpointProgress, Event, Observer, Outcome, PartitionProgress, Progress, TableCount, Watch,
    WorkerProgress,
};
