//! Bars: the partial that a partition folds its trades into, and the roll-up of wider bars.

mod partial;
mod roll_up;

pub use partial::{Partial, fold_partials};
pub use roll_up::RollUp;
