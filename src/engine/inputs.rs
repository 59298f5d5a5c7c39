//! The configured sources, or trades held in memory, as the partitions of a run.

#[path = "again.rs"]
mod again;

use super::EngineError;
use super::identity::identity;
use crate::config::{
    Config, FilesConfig, KafkaConfig, Order, OutlierMode, PartitionMode, SimulatorConfig,
    SourceKind, Timing,
};
use dataflows::{Horizons, Opener, Start};
use market::{Offset, Partition, PartitionError, Symbols, Time, Trades};
use sources::{
    AdmissionConfig, AdmittedPartition, Control, Feed, FileError, FileOrder, FilePartition,
    FileSource, Files, KafkaSource, KafkaSourceError, LayoutOptions, MemoryFeed, OutlierRule, Pace,
    PacedFeed, SimulatedFeed, Simulation,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// How far topics are read, and what of them may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// They end where they do when the run starts.
    pub until_now: bool,
    /// What is not kept any more is gone without.
    pub accept_gap: bool,
    /// By which of the processes.
    pub process: usize,
}

/// Where a log is to begin.
#[derive(Default)]
pub(super) struct Begin {
    /// Up to here all was judged: the log may begin anywhere up to behind it.
    pub after: Option<Offset>,
    /// The facts of the lineage, of which those named `start ...` say where inputs begin.
    pub facts: Vec<(String, String)>,
}

/// Opens one partition's log on the worker that reads it.
pub(super) type FeedOpener = Box<dyn FnOnce(Begin) -> Result<Box<dyn Feed>, PartitionError> + Send>;

/// The logs of a run, not opened yet, and what tells them apart from others.
#[derive(Default)]
pub(crate) struct Inputs {
    feeds: Vec<FeedOpener>,
    /// How the records of each log are judged.
    timings: Vec<Timing>,
    facts: Vec<(String, String)>,
    /// Where logs begin, as this process found it.
    starts: Vec<(String, String)>,
    files: Vec<Files>,
    /// The greatest watermark of all logs: raised as they are read.
    greatest: Arc<AtomicI64>,
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
        inputs.greatest.store(i64::MIN, Ordering::SeqCst);
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
            return Ok(inputs);
        }
        if config.sources().is_empty() {
            return Err(EngineError::NoSource);
        }
        for source in config.sources() {
            let from = inputs.feeds.len();
            match &source.kind {
                SourceKind::Files(files) => {
                    let lateness_ns = source.timing.lateness_ns;
                    inputs.read(file_source(files, config.workers(), lateness_ns), symbols)?;
                }
                SourceKind::Simulator(session) => inputs.simulate(session, symbols)?,
                SourceKind::Kafka(kafka) => {
                    let writer = format!("tidemill-{}-control-{}", config.name(), reading.process);
                    inputs.listen(kafka, reading, &writer, symbols)?;
                }
            }
            if let Some(factor) = source.pace {
                let feeds = inputs.feeds.split_off(from);
                inputs.feeds.extend(feeds.into_iter().map(|feed| paced(feed, factor)));
            }
            inputs.timings.resize(inputs.feeds.len(), source.timing);
        }
        Ok(inputs)
    }

    fn read(&mut self, source: FileSource, symbols: &Symbols) -> Result<(), EngineError> {
        let checked = source.check().map_err(source_error)?;
        self.facts.extend(identity(&checked).map_err(source_error)?);
        let opened = checked.open(symbols).map_err(source_error)?.into_iter();
        self.feeds.extend(opened.map(|open| Box::new(move |_: Begin| open()) as FeedOpener));
        self.files.push(checked);
        Ok(())
    }

    fn listen(
        &mut self,
        kafka: &KafkaConfig,
        reading: Reading,
        writer: &str,
        symbols: &Symbols,
    ) -> Result<(), EngineError> {
        let source = kafka_source(kafka);
        let mut parts = source.resolve(kafka.start).map_err(kafka_error)?;
        let mut control = None;
        if let Some(after) = kafka.idle_after {
            let (settings, topic) = (&kafka.settings, &kafka.control);
            if !reading.until_now {
                // Who had the writer's name is fenced by this, before what was written is read.
                let greatest = self.greatest.clone();
                let opened = Control::open(settings, topic, writer, after, greatest);
                control = Some(Arc::new(opened.map_err(kafka_error)?));
            }
            sources::recall(settings, topic, &mut parts).map_err(kafka_error)?;
        }
        if reading.until_now {
            source.end_now(&mut parts).map_err(kafka_error)?;
        }
        for part in &parts {
            let end = part.end.map_or_else(String::new, |end| format!(" to {end}"));
            self.facts.push((part.name(), format!("topic {}{end}", part.topic_id)));
            self.starts.push((start_of(&part.name()), part.start.to_string()));
        }
        let opened =
            source.open(&parts, reading.accept_gap, control, symbols).map_err(kafka_error)?;
        for (open, part) in opened.into_iter().zip(&parts) {
            let fact = start_of(&part.name());
            self.feeds.push(Box::new(move |begin: Begin| {
                let start = begin.facts.iter().find(|(name, _)| *name == fact);
                let start = start.and_then(|(_, offset)| offset.parse().ok());
                open(begin.after.and_then(sources::resume_at).or(start))
            }));
        }
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
        self.feeds.into_iter().map(|open| open(Begin::default())).collect()
    }

    /// What tells this input apart from others.
    pub fn facts(&self) -> &[(String, String)] {
        &self.facts
    }

    /// Where the inputs begin, where that is not their first record: facts named `start ...`.
    pub fn starts(&self) -> &[(String, String)] {
        &self.starts
    }

    /// How far back of its watermark each log can still change a bar.
    pub fn horizons(&self) -> Horizons {
        Horizons::each(&self.timings.iter().map(|timing| timing.horizon_ns).collect::<Vec<_>>())
    }

    /// How far a watermark stays behind at most.
    pub fn lateness_ns(&self) -> i64 {
        self.timings.iter().map(|timing| timing.lateness_ns).max().unwrap_or(0)
    }

    /// Sources of files, to ask what they left out once they were read.
    pub fn files(&self) -> Vec<Files> {
        self.files.clone()
    }

    /// Every log behind its admission.
    pub fn open(self, config: &Config, symbols: &Symbols) -> Vec<Opener> {
        let (epoch, greatest) = (config.epoch(), self.greatest);
        let behind = |(number, (feed, timing)): (usize, (FeedOpener, Timing))| -> Opener {
            let (admission, symbols) = (admission(config, timing), symbols.clone());
            let greatest = greatest.clone();
            Box::new(move |start: Start| {
                let admission = AdmissionConfig { started_at: start.at, ..admission };
                let number = number as u32;
                let partition = match start.saved {
                    None => {
                        let feed = feed(Begin { after: None, facts: start.facts })?;
                        AdmittedPartition::new(feed, admission, epoch, symbols, number)
                    }
                    Some(saved) => {
                        let after = AdmittedPartition::position_in(&saved);
                        let feed = feed(Begin { after, facts: start.facts })?;
                        AdmittedPartition::restore(feed, admission, epoch, symbols, number, &saved)
                            .map_err(|error| PartitionError {
                                what: error.to_string(),
                                usage: false,
                            })?
                    }
                };
                Ok(Box::new(partition.raising(greatest)) as Box<dyn Partition>)
            })
        };
        self.feeds.into_iter().zip(self.timings).enumerate().map(behind).collect()
    }
}

/// The name of the fact that says where a partition begins.
fn start_of(partition: &str) -> String {
    format!("start {partition}")
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

/// Topics as the source takes them.
pub(crate) fn kafka_source(kafka: &KafkaConfig) -> KafkaSource {
    KafkaSource {
        settings: kafka.settings.clone(),
        topics: kafka.topics.clone(),
        codec: kafka.codec,
        layout: LayoutOptions {
            columns: kafka.columns.clone(),
            filter: kafka.filter.clone(),
            ..LayoutOptions::default()
        },
    }
}

/// Brokers that do not answer are no fault of the configuration.
fn kafka_error(error: KafkaSourceError) -> EngineError {
    match error {
        KafkaSourceError::Kafka(error) => EngineError::Failed(error.to_string()),
        error => EngineError::Source(error.to_string()),
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
        ..clean.late(session.late)
    }
}

fn paced(feed: FeedOpener, factor: f64) -> FeedOpener {
    Box::new(move |after| {
        let pace = Pace::new(factor)
            .map_err(|error| PartitionError { what: error.to_string(), usage: true })?;
        Ok(Box::new(PacedFeed::new(feed(after)?, pace)?))
    })
}

/// How records are judged; when the run started is told when a log is opened.
fn admission(config: &Config, timing: Timing) -> AdmissionConfig {
    let outliers = config.outliers();
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
        listed_only: config.listed_only(),
        ..AdmissionConfig::new(Time::LEAST)
    }
}
