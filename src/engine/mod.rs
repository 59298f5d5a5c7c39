//! The engine as a library: a checked configuration, sources, sinks, one call.
//!
//! ```
//! use tidemill::{Engine, config::Config};
//! use operators::indicator::Registry;
//!
//! let text = "[[source]]\nkind = \"simulator\"\nsimulator = { trades = 1000 }";
//! let config = Config::parse("example", text, &[], &Registry::standard())?;
//! let memory = sinks::MemorySink::default();
//! let summary = Engine::new(config).sink(Box::new(memory.clone())).run()?;
//! assert_eq!(summary.counts.read, summary.counts.used + summary.counts.refused_total());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! An indicator of one's own is registered in the [`Registry`](operators::indicator::Registry) that the
//! configuration is read with. Without [`Engine::store`] nothing is written but to the sinks given.

mod bench;
mod error;
mod history;
mod identity;
mod inputs;
mod joins;
mod keep;
mod lineage;
mod look;
mod outputs;
mod positions;
mod summary;
mod telling;
mod topics;
mod warm;

pub use error::EngineError;
pub(crate) use inputs::{Inputs, Reading, file_source, kafka_source, simulation};
pub(crate) use lineage::Changes;
pub(crate) use look::{Prospect, look};
pub(crate) use outputs::kafka_options;
pub(crate) use positions::group;
pub use summary::Summary;
pub(crate) use summary::{REFUSED_FREE, grouped, judge, line, reasons, table};
pub(crate) use warm::{Outlook, outlook};

use crate::config::Config;
use crate::observe::Observatory;
use dataflows::checkpoint::Checkpoints;
use dataflows::{Cluster, Empty, IndicatorPlan, Plan, Watch};
use market::{Sink, Symbols, Time, Trades};
use sinks::{Identity, Store};
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use topics::Basis;

/// A run to be: configuration, sources and sinks.
pub struct Engine {
    config: Config,
    symbols: Symbols,
    process: usize,
    memory: Vec<Trades>,
    sinks: Vec<Box<dyn Sink>>,
    store: Option<(PathBuf, bool)>,
    watch: Watch,
    started_at: Option<Time>,
    reading: Reading,
}

impl Engine {
    /// An engine of a configuration.
    pub fn new(config: Config) -> Self {
        let symbols = Symbols::with_scales(config.scales().clone());
        Engine {
            config,
            symbols,
            process: 0,
            memory: Vec::new(),
            sinks: Vec::new(),
            store: None,
            watch: Watch::default(),
            started_at: None,
            reading: Reading::default(),
        }
    }

    /// The symbols of this engine, to intern those of trades held in memory.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// Reads these trades instead of the configured sources, one partition each. Ids are those of
    /// [`Engine::symbols`], offsets rise. They are judged by the timing of the first configured source.
    #[must_use]
    pub fn trades(mut self, partitions: Vec<Trades>) -> Self {
        self.memory = partitions;
        self
    }

    /// Adds a sink of one's own.
    #[must_use]
    pub fn sink(mut self, sink: Box<dyn Sink>) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Writes to the configured sinks in the configured store folder; `replace` begins a store anew that
    /// was made with something else.
    #[must_use]
    pub fn store(mut self, replace: bool) -> Self {
        self.store = Some((self.config.data().to_owned(), replace));
        self
    }

    /// Runs as process number `process` of the configured ones.
    #[must_use]
    pub fn process(mut self, process: usize) -> Self {
        self.process = process;
        self
    }

    /// Watches the run's progress and can stop it.
    #[must_use]
    pub fn watch(mut self, watch: Watch) -> Self {
        self.watch = watch;
        self
    }

    /// Judges `max_ahead` from this time instead of the clock's, where no store has recorded one. The first
    /// process tells the others.
    #[must_use]
    pub fn started_at(mut self, time: Time) -> Self {
        self.started_at = Some(time);
        self
    }

    /// Reads topics up to where they end when the run starts, instead of for ever.
    #[must_use]
    pub fn until_now(mut self) -> Self {
        self.reading.until_now = true;
        self
    }

    /// Leaves out what is timed before `from`, and reads until every watermark has come to `to`; what is open then
    /// stays open.
    #[must_use]
    pub fn range(mut self, from: Option<Time>, to: Option<Time>) -> Self {
        (self.reading.from, self.reading.to) = (from, to);
        self
    }

    /// Goes on where records are missing that were not read yet, instead of refusing to start.
    #[must_use]
    pub fn accept_gap(mut self, accept_gap: bool) -> Self {
        self.reading.accept_gap = accept_gap;
        self
    }

    /// Has the run observed, and its live view served, where that is configured.
    fn observe(&mut self) -> Result<Observatory, EngineError> {
        let (watched, symbols) = (&self.watch.progress, &self.symbols);
        let observatory = Observatory::open(&self.config, self.process, watched, symbols)?;
        self.watch.live = observatory.live().or(self.watch.live.take());
        Ok(observatory)
    }

    /// Runs until the input ends or the watch stops it.
    ///
    /// # Errors
    /// Fails when a source, the store or a sink cannot be used, or the graph fails, and where the watch stops it
    /// before it begins.
    pub fn run(self) -> Result<Summary, EngineError> {
        let watch = self.watch.clone();
        self.work().map_err(|error| error.or_stopped(&watch))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the engine's start and seconds are the command's clock"
    )]
    fn work(mut self) -> Result<Summary, EngineError> {
        let began = Instant::now();
        let observatory = self.observe()?;
        let processes = self.config.processes().len().max(1);
        if self.process >= processes {
            return Err(EngineError::Process { given: self.process, processes });
        }
        let reading = Reading { process: self.process, ..self.reading };
        let mut inputs = Inputs::of(&self.config, self.memory, reading, &self.symbols)?;
        if self.process == 0 {
            inputs.topics.resolve(&self.watch.stop)?;
        }
        let mut started_at = self.started_at.unwrap_or_else(|| time_of(SystemTime::now()));
        let plan = plan(&self.config, &inputs, &self.symbols);
        let (mut sinks, mut store, mut checkpoints) = (self.sinks, None, None);
        let mut identity = inputs.identity(&self.config);
        let terms = identity.fingerprint.clone();
        // What is read to where it ends now is read whole by every run.
        let kept = self.config.checkpoints().filter(|_| !reading.until_now);
        if kept.is_none() {
            warm::refuse_history(&self.config)?;
            if self.process == 0 {
                inputs.settle(processes, &mut identity)?;
            }
        }
        let replace = self.store.as_ref().is_some_and(|(_, replace)| *replace);
        if let Some(given) = kept {
            if let (Some((folder, _)), 0) = (&self.store, self.process) {
                // A run that the store refuses must not have taken the checkpoints from the one that has it.
                Store::is_free(folder)?;
            }
            let store = self.store.as_ref().map(|(folder, _)| folder.as_path());
            let how = keep::How { process: self.process, replace, now: started_at, store };
            let run = (&plan, &mut inputs, &self.watch);
            let kept = keep::keep(&self.config, given, run, identity, &how)?;
            (identity, started_at) = (kept.identity, kept.started_at);
            checkpoints = Some(kept.checkpoints);
        }
        if let (Some((folder, replace)), 0) = (self.store, self.process) {
            let opened = Store::open(&folder, &identity, replace, started_at)?;
            let generation = checkpoints.as_ref().map_or(0, Checkpoints::generation);
            let options = (generation, &self.watch.stop);
            sinks.extend(outputs::open(&self.config, &plan, &opened, options)?);
            store = Some(opened);
        }
        let sinks = observatory.measured(sinks);
        let cluster = Cluster {
            workers: self.config.workers(),
            process: self.process,
            addresses: self.config.processes().to_vec(),
            started_at: match checkpoints {
                Some(_) => started_at,
                None => store.as_ref().map_or(started_at, Store::started_at),
            },
            terms,
        };
        let (files, gaps, claim) = (inputs.files(), inputs.gaps(), checkpoints.clone());
        let progress = self.watch.progress.clone();
        let partitions = inputs.open(&self.config, &self.symbols, Some(&observatory));
        let outcome =
            match dataflows::run(plan, cluster, partitions, sinks, self.watch, checkpoints) {
                Ok(outcome) => outcome,
                Err(error) => return Err(give_up(keep::explain(error, claim.as_ref()), store)),
            };
        let filtered = files.iter().map(sources::Files::filtered).sum();
        let mut summary = Summary::of(outcome, filtered, began.elapsed(), store.as_ref());
        summary.checkpoints = claim.map(|_| progress.checkpoints());
        summary.gaps = std::mem::take(&mut *gaps.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(summary)
    }
}

/// A first run that was asked for something that cannot be leaves no store: the next one, asked
/// rightly, would be refused as another.
fn give_up(error: EngineError, store: Option<Store>) -> EngineError {
    match store.filter(|store| error.is_usage() && store.is_new()).map(Store::discard) {
        Some(Err(failed)) => EngineError::Failed(format!("{error}; {failed}")),
        _ => error,
    }
}

fn plan(config: &Config, inputs: &Inputs, symbols: &Symbols) -> Plan {
    let indicators = config
        .indicators()
        .iter()
        .map(|plan| IndicatorPlan { widths: plan.widths.clone(), list: plan.list.clone() });
    Plan {
        epoch: config.epoch(),
        lateness_ns: inputs.lateness_ns(),
        horizons: inputs.horizons(),
        course: inputs.course(config.epoch()),
        pools: inputs.pools(config, symbols),
        widths: config.widths().to_vec(),
        empty: if config.carry() { Empty::Carry } else { Empty::Skip },
        indicators: indicators.collect(),
        symbols: symbols.clone(),
    }
}

/// The time of a clock.
pub(crate) fn time_of(now: SystemTime) -> Time {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_ns(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

impl Inputs {
    /// Settles where inputs begin, which a run that keeps no checkpoints finds anew: it is part of what its rows
    /// are of.
    fn settle(&mut self, processes: usize, identity: &mut Identity) -> Result<(), EngineError> {
        let (generation, writers) = (0, &self.topics.writers(processes)[..]);
        self.topics.agree(&Basis { manifest: None, generation, writers })?;
        identity.parts.extend(self.topics.facts());
        identity.parts.extend(self.topics.starts());
        identity.fingerprint = crate::config::fingerprint(&identity.parts);
        Ok(())
    }

    fn identity(&self, config: &Config) -> Identity {
        let mut parts = config.facts();
        parts.extend(self.facts().iter().cloned());
        Identity { fingerprint: crate::config::fingerprint(&parts), parts }
    }
}
