//! Why a run failed, and whose fault it is.

use dataflows::checkpoint::SequenceError;
use dataflows::{RunError, Watch};
use market::{PartitionError, SinkError};
use sinks::StoreError;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is nothing to read.
    #[error("no source: configure a [[source]], or give trades")]
    NoSource,
    /// The process number is not one of the configured.
    #[error("process {given}: there are {processes}, numbered from 0")]
    Process {
        /// The number given.
        given: usize,
        /// Processes configured.
        processes: usize,
    },
    /// A source cannot be opened as configured.
    #[error("{0}")]
    Source(String),
    /// A source failed while it was opened.
    #[error("{0}")]
    Failed(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sink cannot be opened.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The store of checkpoints cannot be used, or another run has claimed it.
    #[error("checkpoints: {0}")]
    Checkpoints(String),
    /// Another run of the deployment has begun: this one can write no more.
    #[error("another run of this deployment has begun, so this one ends: {0}")]
    Overtaken(String),
    /// Checkpoints of something else.
    #[error(
        "{to}: the checkpoints there were made with {}; give --replace to begin anew, or another deployment.name to \
         run beside it", changes.join(", and with ")
    )]
    Lineage {
        /// The store.
        to: String,
        /// Each part that cannot change: what it was, and what it is now.
        changes: Vec<String>,
    },
    /// What the checkpoints say was stored is not there.
    #[error(
        "{folder}: holds no store, but the checkpoints at {to} go on from rows that were stored in one: put it \
         back, name it by deployment.data, or give --replace to begin anew"
    )]
    StoreGone {
        /// Where the store was looked for.
        folder: PathBuf,
        /// The checkpoints.
        to: String,
    },
    /// There are checkpoints, and none that a run can go on from.
    #[error(
        "{to}: no checkpoint there is whole ({}): put back what they name, or give --replace to begin anew",
        faults.join("; ")
    )]
    NoneWhole {
        /// The store.
        to: String,
        /// Of each checkpoint, what is wrong.
        faults: Vec<String>,
    },
    /// The run was stopped before it began.
    #[error("stopped before it began; the same command goes on from there")]
    Stopped,
    /// The graph failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl EngineError {
    pub(super) fn checkpoints(error: impl std::fmt::Display) -> Self {
        EngineError::Checkpoints(error.to_string())
    }

    /// That a place in the sequence of checkpoints was not to be had.
    pub(super) fn sequence(error: SequenceError) -> Self {
        match error {
            SequenceError::Taken { .. } => EngineError::Overtaken(error.to_string()),
            error => EngineError::checkpoints(error),
        }
    }

    /// The same, unless it came of the run being stopped: what is waited for or read then ends without an answer.
    pub(super) fn or_stopped(self, watch: &Watch) -> Self {
        let is_stopped = watch.stop.load(Ordering::SeqCst);
        match self {
            EngineError::Failed(_) | EngineError::Source(_) if is_stopped => EngineError::Stopped,
            error => error,
        }
    }

    /// Whether the caller asked for something that cannot be (exit code 2), rather than a failure while
    /// running (exit code 1).
    pub fn is_usage(&self) -> bool {
        match self {
            EngineError::NoSource
            | EngineError::Process { .. }
            | EngineError::Source(_)
            | EngineError::Lineage { .. }
            | EngineError::StoreGone { .. } => true,
            EngineError::Store(error) => error.is_usage(),
            EngineError::Sink(_)
            | EngineError::Failed(_)
            | EngineError::Checkpoints(_)
            | EngineError::NoneWhole { .. }
            | EngineError::Stopped
            | EngineError::Overtaken(_) => false,
            EngineError::Run(RunError::Source(PartitionError { usage, .. })) => *usage,
            EngineError::Run(RunError::Plan(_) | RunError::Differs) => true,
            EngineError::Run(_) => false,
        }
    }
}
