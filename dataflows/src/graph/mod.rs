//! Whole graphs on timely: the plan, its stages, and how a run starts and ends.

mod ahead;
mod by_epoch;
mod cut;
mod follow;
mod greatest;
mod held;
mod inputs;
mod joining;
mod meet;
mod outlet;
mod plan;
mod pool;
mod reader;
mod run;
mod stages;
mod ticks;
mod told;
mod watch;
mod wiring;

pub(crate) use by_epoch::Stage;
pub use inputs::{Inputs, JoinOpener, Joins, OpenAll};
pub use plan::{IndicatorPlan, Plan, PlanError};
pub use pool::{MakeJudge, PoolPlan};
pub use run::{Cluster, Opener, RunError, Start, run};
pub(crate) use run::{Shared, leave};
pub(crate) use stages::{Bars, Layouts, RollUps};
pub(crate) use told::Heard;
pub use watch::{
    CheckpointProgress, Event, Observer, Outcome, PartitionProgress, Progress, TableCount, Watch,
    WorkerProgress,
};
pub(crate) use wiring::{Beginning, build, roll_up_name};
