//! Whole graphs on timely: the plan, its stages, and how a run starts and ends.

mod by_epoch;
mod held;
mod meet;
mod outlet;
mod plan;
mod reader;
mod run;
mod stages;
mod told;
mod watch;
mod wiring;

pub(crate) use by_epoch::Stage;
pub use plan::{IndicatorPlan, Plan, PlanError};
pub use run::{Cluster, Opener, RunError, Start, run};
pub(crate) use run::{Shared, leave};
pub(crate) use stages::{Bars, Layouts, RollUps};
pub use watch::{CheckpointProgress, Outcome, Progress, TableCount, Watch};
pub(crate) use wiring::{Beginning, build, roll_up_name};
