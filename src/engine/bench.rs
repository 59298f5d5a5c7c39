//! What the logs of a run are judged with, and how each is opened behind its admission.

use super::inputs::Reading;
use super::topics::TopicSource;
use crate::config::{Config, OutlierMode, Timing};
use dataflows::{Opener, PoolPlan, Start};
use market::{Partition, PartitionError, Symbols, Time, Width};
use sources::{
    AdmissionConfig, AdmittedPartition, Feed, FollowingPartition, MemoryFeed, OutlierRule, Place,
    Seam, Seams, SymbolJudge, Timed,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

/// Whether a log stands alone, or is read before or behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Alone,
    Ahead,
    /// The number of the one before it.
    Behind(u32),
}

/// What is known of a log only when it is opened.
#[derive(Default)]
pub(super) struct Known {
    /// What the log has left that it is read behind.
    pub seam: Option<Arc<Seam>>,
    /// The facts of the lineage that say which files histories are of.
    pub histories: Arc<[(String, String)]>,
}

/// Opens one partition's log on the worker that reads it.
pub(super) type FeedOpener = Box<dyn FnOnce(Known) -> Result<Box<dyn Feed>, PartitionError> + Send>;

/// One log before it is opened.
pub(super) struct Log {
    /// Its number in the run.
    pub number: usize,
    pub timing: Timing,
    pub place: Where,
    /// What a checkpoint holds is of another log.
    pub anew: bool,
    /// What it is called, as long as it waits for another or where it has ended.
    pub name: String,
    pub feed: FeedOpener,
    /// The pool that it belongs to.
    pub pool: Option<u32>,
}

/// What logs are judged with.
#[derive(Clone)]
pub(super) struct Bench {
    pub config: Config,
    pub symbols: Symbols,
    pub greatest: Arc<AtomicI64>,
    /// Told of each batch.
    pub timed_by: Option<Timed>,
    pub reading: Reading,
    pub histories: Arc<[(String, String)]>,
    /// What histories leave, by their numbers.
    pub seams: BTreeMap<u32, Arc<Seams>>,
}

impl Bench {
    /// Others are read behind log `number`.
    pub fn lead(&mut self, number: u32, timing: Timing) {
        let admission = self.admission(timing, Where::Ahead, Time::LEAST);
        let seams = Seams::new(admission, self.config.epoch(), self.symbols.clone());
        self.seams.insert(number, seams);
    }

    /// A log behind its admission; one that is read behind another waits for it.
    pub fn admit(&self, log: Log) -> Opener {
        let bench = self.clone();
        let Where::Behind(before) = log.place else {
            return Box::new(move |start: Start| {
                let opened = bench.open(log, start.at, start.saved.as_deref(), None)?;
                Ok(Box::new(opened) as Box<dyn Partition>)
            });
        };
        let seams = self.seams[&before].clone();
        Box::new(move |Start { at, saved }| {
            let (name, pool) = (log.name.clone(), log.pool);
            let open = move |seam: &Arc<Seam>, saved: Option<&[u8]>| {
                bench.open(log, at, saved, Some(seam.clone()))
            };
            let following = FollowingPartition::new(name, (before, seams), saved, open);
            Ok(Box::new(following.in_pool(pool)) as Box<dyn Partition>)
        })
    }

    fn open(
        self,
        log: Log,
        started_at: Time,
        saved: Option<&[u8]>,
        seam: Option<Arc<Seam>>,
    ) -> Result<AdmittedPartition, PartitionError> {
        let config = self.admission(log.timing, log.place, started_at);
        let config = AdmissionConfig { is_pooled: log.pool.is_some(), ..config };
        let (epoch, number) = (self.config.epoch(), log.number as u32);
        let ended = log.place == Where::Ahead && saved.is_some_and(AdmittedPartition::has_ended_in);
        let feed = match ended {
            true => Box::new(MemoryFeed::default().named(&log.name)) as Box<dyn Feed>,
            false => (log.feed)(Known { seam, histories: self.histories })?,
        };
        let partition = match saved {
            None => AdmittedPartition::new(feed, config, epoch, self.symbols, number),
            Some(saved) => {
                let restored =
                    AdmittedPartition::restore(feed, config, epoch, self.symbols, number, saved);
                let restored = restored
                    .map_err(|error| PartitionError { what: error.to_string(), usage: false })?;
                if log.anew { restored.over_another_log() } else { restored }
            }
        };
        Ok(partition.raising(self.greatest).timed_by(self.timed_by).in_pool(log.pool))
    }

    /// How records are judged.
    fn admission(&self, timing: Timing, place: Where, started_at: Time) -> AdmissionConfig {
        admission(&self.config, self.reading, (timing, place), started_at)
    }
}

/// How records are judged.
fn admission(
    config: &Config,
    reading: Reading,
    (timing, place): (Timing, Where),
    started_at: Time,
) -> AdmissionConfig {
    let outliers = config.outliers();
    let mode = match outliers.mode {
        OutlierMode::Off => sources::OutlierMode::Off,
        OutlierMode::Flag => sources::OutlierMode::Flag,
        OutlierMode::Refuse => sources::OutlierMode::Refuse,
    };
    let rule = OutlierRule::new(mode, outliers.scale, outliers.patience)
        .expect("the configuration's bounds are narrower");
    let admission = AdmissionConfig {
        lateness_ns: timing.lateness_ns,
        horizon_ns: timing.horizon_ns,
        max_ahead_ns: timing.max_ahead_ns,
        max_jump_ns: timing.max_jump_ns,
        outliers: rule,
        listed_only: config.listed_only(),
        bar_ns: Width::widest_base_ns(config.widths()),
        exclusions: config.exclusions().clone(),
        until: reading.to,
        place: match place {
            Where::Alone => Place::Alone,
            Where::Ahead => Place::Ahead,
            Where::Behind(_) => Place::Behind,
        },
        ..AdmissionConfig::new(started_at)
    };
    AdmissionConfig { since: reading.from.unwrap_or(admission.since), ..admission }
}

/// The pool that the partitions of a source form, whose symbols are spread over them.
pub(super) fn pool(
    config: &Config,
    reading: Reading,
    topics: &TopicSource,
    symbols: &Symbols,
) -> PoolPlan {
    // No time is judged there.
    let admission = admission(config, reading, (topics.timing, Where::Alone), Time::LEAST);
    let (length, symbols) = (config.epoch(), symbols.clone());
    PoolPlan {
        horizon_ns: topics.timing.horizon_ns,
        behind: topics.behind,
        judge: Arc::new(move || {
            Box::new(SymbolJudge::new(admission.clone(), length, symbols.clone()))
        }),
    }
}
