//! The configured sources, or trades held in memory, as the partitions of a run.

use super::EngineError;
use crate::config::{Config, OutlierMode, SourceKind};
use dataflows::Opener;
use market::{Partition, PartitionError, Symbols, Time, Trades};
use sources::{AdmissionConfig, AdmittedPartition, Feed, MemoryFeed, OutlierRule};

/// Opens one partition's log on the worker that reads it.
pub(super) type FeedOpener = Box<dyn FnOnce() -> Result<Box<dyn Feed>, PartitionError> + Send>;

/// The logs of a run, not opened yet, and what tells them apart from others.
pub(super) struct Inputs {
    feeds: Vec<FeedOpener>,
    facts: Vec<(String, String)>,
}

impl Inputs {
    /// Trades in memory where there are any, else the configured sources.
    pub fn of(
        config: &Config,
        memory: Vec<Trades>,
        symbols: &Symbols,
    ) -> Result<Self, EngineError> {
        let mut inputs = Inputs { feeds: Vec::new(), facts: Vec::new() };
        if !memory.is_empty() {
            inputs
                .facts
                .push(("input".to_owned(), format!("{} partitions in memory", memory.len())));
            for trades in memory {
                inputs
                    .feeds
                    .push(Box::new(|| Ok(Box::new(MemoryFeed::new(trades)) as Box<dyn Feed>)));
            }
            return Ok(inputs);
        }
        if config.sources().is_empty() {
            return Err(EngineError::NoSource);
        }
        for source in config.sources() {
            match &source.kind {
                SourceKind::Files(_) | SourceKind::Simulator(_) => {
                    let _ = symbols;
                    return Err(EngineError::Source("not wired".to_owned()));
                }
            }
        }
        Ok(inputs)
    }

    /// What tells this input apart from others.
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// Every log behind its admission.
    pub fn open(self, config: &Config, symbols: &Symbols, started_at: Time) -> Vec<Opener> {
        let admission = admission(config, started_at);
        let epoch = config.epoch();
        let behind = |(number, feed): (usize, FeedOpener)| -> Opener {
            let (admission, symbols) = (admission.clone(), symbols.clone());
            Box::new(move || {
                let partition =
                    AdmittedPartition::new(feed()?, admission, epoch, symbols, number as u32);
                Ok(Box::new(partition) as Box<dyn Partition>)
            })
        };
        self.feeds.into_iter().enumerate().map(behind).collect()
    }
}

fn admission(config: &Config, started_at: Time) -> AdmissionConfig {
    let (timing, outliers) = (config.timing(), config.outliers());
    let mode = match outliers.mode {
        OutlierMode::Off => sources::OutlierMode::Off,
        OutlierMode::Flag => sources::OutlierMode::Flag,
        OutlierMode::Refuse => sources::OutlierMode::Refuse,
    };
    let rule = OutlierRule::new(mode, outliers.scale, outliers.patience)
        .expect("the configuration's bounds are narrower");
    AdmissionConfig {
        lateness_ns: timing.lateness_ns,
        horizon_ns: timing.horizon_ns,
        max_ahead_ns: timing.max_ahead_ns,
        max_jump_ns: timing.max_jump_ns,
        outliers: rule,
        ..AdmissionConfig::new(started_at)
    }
}
