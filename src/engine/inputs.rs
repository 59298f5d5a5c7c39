//! The configured sources, or trades held in memory, as the partitions of a run.

#[path = "again.rs"]
mod again;

use super::EngineError;
use super::bench::{Bench, FeedOpener, Known, Log, Where, pool};
use super::history::Gaps;
use super::identity::identity;
use super::joins;
use super::topics::{TopicSource, Topics};
use crate::config::{
    Config, FilesConfig, KafkaConfig, Order, PartitionMode, SimulatorConfig, SourceKind, Timing,
};
use crate::observe::Observatory;
use dataflows::{Course, Horizons, Joins, OpenAll, Opener, PoolPlan};
use market::{EpochLength, PartitionError, Symbols, Time, Trades};
use sources::{
    Feed, FileError, FileOrder, FilePartition, FileSource, Files, KafkaSource, LayoutOptions,
    MemoryFeed, Pace, PacedFeed, SimulatedFeed, Simulation,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// How far topics are read, and what of them may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// They end where they do when the run starts.
    pub until_now: bool,
    /// At no pace of theirs: what was read is read again.
    pub at_once: bool,
    /// What is not kept any more is gone without.
    pub accept_gap: bool,
    /// By which of the processes.
    pub process: usize,
    /// What is timed before is left out.
    pub from: Option<Time>,
    /// They are read until their watermarks have come to this.
    pub to: Option<Time>,
}

/// The logs of a run, not opened yet, and what tells them apart from others.
#[derive(Default)]
pub(crate) struct Inputs {
    pub(super) feeds: Vec<FeedOpener>,
    /// Which logs are read behind which others.
    pub(super) places: Vec<Where>,
    /// How the records of each log are judged.
    timings: Vec<Timing>,
    facts: Vec<(String, String)>,
    files: Vec<Files>,
    /// What lies neither in history nor in the topics behind it.
    gaps: Gaps,
    /// Logs of topics, which process 0 finds.
    pub(super) topics: Topics,
}

impl Inputs {
    /// Trades in memory where there are any, else the configured sources.
    pub fn of(
        config: &Config,
        memory: Vec<Trades>,
        reading: Reading,
        symbols: &Symbols,
    ) -> Result<Self, EngineError> {
        let mut inputs = Inputs::default();
        for (name, time) in [("from", reading.from), ("to", reading.to)] {
            inputs.facts.extend(time.map(|time| (name.to_owned(), time.to_string())));
        }
        inputs.topics.greatest.store(i64::MIN, Ordering::SeqCst);
        (inputs.topics.name, inputs.topics.reading) = (config.name().to_owned(), reading);
        if !memory.is_empty() {
            inputs
                .facts
                .push(("input".to_owned(), format!("{} partitions in memory", memory.len())));
            for trades in memory {
                inputs
                    .feeds
                    .push(Box::new(|_| Ok(Box::new(MemoryFeed::new(trades)) as Box<dyn Feed>)));
            }
            inputs.timings = vec![config.timing(); inputs.feeds.len()];
            inputs.places = vec![Where::Alone; inputs.feeds.len()];
            return Ok(inputs);
        }
        if config.sources().is_empty() {
            return Err(EngineError::NoSource);
        }
        for (number, source) in config.sources().iter().enumerate() {
            let mut from = inputs.feeds.len();
            match &source.kind {
                SourceKind::Files(files) => {
                    let lateness_ns = source.timing.lateness_ns;
                    inputs.read(file_source(files, config.workers(), lateness_ns), symbols)?;
                }
                SourceKind::Simulator(session) => inputs.simulate(session, symbols)?,
                SourceKind::Kafka(kafka) => {
                    let behind = kafka.history.as_ref().map(|files| {
                        let (workers, lateness_ns) = (config.workers(), source.timing.lateness_ns);
                        let files = file_source(files, workers, lateness_ns);
                        inputs.read_before(files, &source.name, symbols)
                    });
                    from = inputs.feeds.len();
                    let pools = inputs.topics.sources.iter().filter_map(|topics| topics.pool);
                    let pool = kafka.repartition.then_some(pools.count() as u32);
                    inputs.topics.sources.push(TopicSource {
                        number,
                        name: source.name.clone(),
                        source: kafka_source(kafka),
                        config: (**kafka).clone(),
                        timing: source.timing,
                        pace: source.pace.filter(|_| !reading.at_once),
                        behind,
                        pool,
                    });
                }
            }
            if let Some(factor) = source.pace.filter(|_| !reading.at_once) {
                let feeds = inputs.feeds.split_off(from);
                inputs.feeds.extend(feeds.into_iter().map(|feed| paced(feed, factor)));
            }
            inputs.timings.resize(inputs.feeds.len(), source.timing);
            inputs.places.resize(inputs.feeds.len(), Where::Alone);
        }
        inputs.topics.first = inputs.feeds.len();
        Ok(inputs)
    }

    fn read(&mut self, source: FileSource, symbols: &Symbols) -> Result<(), EngineError> {
        let checked = source.check().map_err(source_error)?;
        self.facts.extend(identity(&checked).map_err(source_error)?);
        let opened = checked.open(symbols).map_err(source_error)?.into_iter();
        self.feeds.extend(opened.map(|open| Box::new(move |_| open()) as FeedOpener));
        self.files.push(checked);
        Ok(())
    }

    fn simulate(
        &mut self,
        session: &SimulatorConfig,
        symbols: &Symbols,
    ) -> Result<(), EngineError> {
        let simulation = simulation(session);
        simulation.check().map_err(|error| EngineError::Source(format!("simulator: {error}")))?;
        for partition in 0..session.partitions {
            let (simulation, symbols, of) =
                (simulation.clone(), symbols.clone(), session.partitions);
            self.feeds.push(Box::new(move |_| {
                let feed = SimulatedFeed::new(&simulation, &symbols, partition, of)
                    .map_err(|error| PartitionError { what: error.to_string(), usage: true })?;
                Ok(Box::new(feed) as Box<dyn Feed>)
            }));
        }
        Ok(())
    }

    /// The logs as they are, before admission.
    pub fn recorded(self) -> Result<Vec<Box<dyn Feed>>, PartitionError> {
        self.feeds.into_iter().map(|open| open(Known::default())).collect()
    }

    /// What tells this input apart from others.
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// How far back of its watermark each log can still change a bar; that of a topic's as far as any.
    pub fn horizons(&self) -> Horizons {
        let each = |timing: &Timing| timing.horizon_ns;
        let topics = self.topics.sources.iter().map(|topics| each(&topics.timing)).max();
        let greatest = self.timings.iter().map(each).max().max(topics);
        let mut list: Vec<i64> = self.timings.iter().map(each).collect();
        list.extend(topics.and(greatest));
        Horizons::each(&list)
    }

    /// How far a watermark stays behind at most.
    pub fn lateness_ns(&self) -> i64 {
        let topics = self.topics.sources.iter().map(|topics| &topics.timing);
        self.timings.iter().chain(topics).map(|timing| timing.lateness_ns).max().unwrap_or(0)
    }

    /// The pools of partitions whose symbols are spread over them, in the order of their numbers.
    pub fn pools(&self, config: &Config, symbols: &Symbols) -> Vec<PoolPlan> {
        let pooled = self.topics.sources.iter().filter(|topics| topics.pool.is_some());
        let reading = self.topics.reading;
        pooled.map(|topics| pool(config, reading, topics, symbols)).collect()
    }

    /// Sources of files, to ask what they left out once they were read.
    pub fn files(&self) -> Vec<Files> {
        self.files.clone()
    }

    /// Which logs are read behind which others, and how far.
    pub fn course(&self, epoch: EpochLength) -> Course {
        let leads = (0..).zip(&self.places).filter(|(_, place)| **place == Where::Ahead);
        let until = self.topics.reading.to.map_or(market::Epoch::MAX, |to| epoch.of(to));
        Course { leads: leads.map(|(number, _)| number).collect(), until }
    }

    /// What was found missing between history and topics, told as they are opened.
    pub fn gaps(&self) -> Gaps {
        self.gaps.clone()
    }

    /// Every log behind its admission: those of topics once process 0 has told of them.
    pub fn open(
        self,
        config: &Config,
        symbols: &Symbols,
        observatory: Option<&Observatory>,
    ) -> dataflows::Inputs {
        let greatest = self.topics.greatest.clone();
        let is_shared = self.topics.sources.iter().any(|topics| topics.config.idle_after.is_some());
        let mut bench = Bench {
            config: config.clone(),
            symbols: symbols.clone(),
            greatest: greatest.clone(),
            timed_by: observatory.map(Observatory::timed_by),
            reading: self.topics.reading,
            histories: Arc::default(),
            seams: BTreeMap::new(),
        };
        let watch = observatory.map(Observatory::watch);
        let (told, joins) = (self.topics.told(), Joins::default());
        let Inputs { feeds, timings, places, gaps, mut topics, .. } = self;
        let joining = joins.clone();
        let open: OpenAll = Box::new(move |told| {
            let parts = topics.hear(told, &bench.symbols)?;
            bench.histories = topics.histories.clone().into();
            let mut logs = Vec::new();
            for (number, ((feed, timing), place)) in
                feeds.into_iter().zip(timings).zip(places).enumerate()
            {
                if place == Where::Ahead {
                    bench.lead(number as u32, timing);
                }
                let name = topics.history_of(number as u32).unwrap_or_default();
                logs.push(Log { number, timing, place, anew: false, name, feed, pool: None });
            }
            logs.extend(parts.into_iter().map(|(part, open)| {
                let source = &topics.sources[part.source];
                let log = source.log(&part, open, None, &gaps);
                match source.pace {
                    Some(factor) => Log { feed: paced(log.feed, factor), ..log },
                    None => log,
                }
            }));
            let all: Vec<(usize, Opener)> =
                logs.into_iter().map(|log| (log.number, bench.admit(log))).collect();
            if let Some(watch) = watch {
                watch(topics.watched());
            }
            joins::watch(topics, bench, joining);
            Ok(all)
        });
        dataflows::Inputs { told, open, greatest: is_shared.then_some(greatest), joins }
    }
}

/// Topics as the source takes them.
pub(crate) fn kafka_source(kafka: &KafkaConfig) -> KafkaSource {
    KafkaSource {
        settings: kafka.settings.clone(),
        topics: kafka.topics.clone(),
        codec: kafka.codec,
        layout: LayoutOptions {
            columns: kafka.columns.clone(),
            filter: kafka.filter.clone(),
            tape: kafka.tape,
            names: kafka.names.clone(),
            ..LayoutOptions::default()
        },
        control: kafka.control.clone(),
    }
}

/// Files as the source takes them, with as many decoder threads as workers, but not more than cores.
pub(crate) fn file_source(files: &FilesConfig, workers: usize, lateness_ns: i64) -> FileSource {
    let cores = std::thread::available_parallelism().map_or(workers, usize::from);
    FileSource {
        paths: files.files.clone(),
        layout: LayoutOptions {
            columns: files.columns.clone(),
            filter: files.filter.clone(),
            header: files.header,
            delimiter: Some(char::from(files.delimiter).to_string()),
            comment: files.comment.map(|byte| char::from(byte).to_string()),
            tape: files.tape,
            names: files.names.clone(),
        },
        order: match files.order {
            Order::Time => FileOrder::Time,
            Order::Log => FileOrder::Log,
            Order::Any => FileOrder::Any,
        },
        partition: match files.partition {
            None => FilePartition::Auto,
            Some(PartitionMode::File) => FilePartition::File,
            Some(PartitionMode::Sequence) => FilePartition::Sequence,
        },
        threads: workers.min(cores),
        lateness_ns,
    }
}

/// What is wrong with the files is the caller's to mend; that no thread starts is not.
fn source_error(error: FileError) -> EngineError {
    match error {
        FileError::Threads(_) => EngineError::Failed(error.to_string()),
        FileError::Read(PartitionError { what, usage: false }) => EngineError::Failed(what),
        error => EngineError::Source(error.to_string()),
    }
}

/// A session as the simulator takes it.
pub(crate) fn simulation(session: &SimulatorConfig) -> Simulation {
    let clean = Simulation::new(session.symbols, session.trades, session.seed);
    Simulation {
        start: session.start,
        session_ns: session.session_ns,
        duplicate: session.duplicate,
        bad: session.bad,
        cancel: session.cancel,
        replace: session.replace,
        ..clean.late(session.late)
    }
}

fn paced(feed: FeedOpener, factor: f64) -> FeedOpener {
    Box::new(move |known| {
        let pace = Pace::new(factor)
            .map_err(|error| PartitionError { what: error.to_string(), usage: true })?;
        Ok(Box::new(PacedFeed::new(feed(known)?, pace)?))
    })
}
