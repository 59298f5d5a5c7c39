//! History: files that are read before the topics of a source, and topics that go on behind them.

use super::identity::identity;
use super::inputs::{Begin, FeedOpener, Inputs};
use crate::config::KafkaConfig;
use dataflows::{Opener, Start};
use market::{EpochLength, Partition, PartitionError, Symbols};
use sources::{
    AdmissionConfig, AdmittedPartition, Feed, FileError, FilePartition, FileSource, KafkaSource,
    LogPart, MemoryFeed, Place, Seam, Seams,
};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

/// What the fact of a history says that could not be looked at.
const NOT_THERE: &str = "not there";

/// Whether a log stands alone, or is read before or behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    Alone,
    Ahead,
    /// The number of the one before it.
    Behind(u32),
}

/// What was found missing, in words.
pub(super) type Gaps = Arc<Mutex<Vec<String>>>;

impl Inputs {
    /// Adds the history of source `name`: one log. Which files it was made of is recorded where the run begins; they
    /// may be others, or gone, once it was read to its end.
    pub(super) fn read_before(&mut self, files: FileSource, name: &str, symbols: &Symbols) {
        let fact = format!("start history of {name}");
        let mine = files_of(&files).unwrap_or_else(|_| NOT_THERE.to_owned());
        self.starts.push((fact.clone(), mine.clone()));
        let symbols = symbols.clone();
        self.feeds.push(Box::new(move |begin: Begin| {
            let known = begin.facts.into_iter().find(|(name, _)| *name == fact);
            let usage = |what: String| PartitionError { what, usage: true };
            if let Some((_, known)) =
                known.filter(|(_, known)| *known != mine && known != NOT_THERE)
            {
                return Err(usage(format!(
                    "history: {mine}, but the run began with {known} and has not read it to its end"
                )));
            }
            let checked = files.check().map_err(|error| usage(format!("history: {error}")))?;
            let open = checked.open(&symbols).map_err(|error| usage(error.to_string()))?.pop();
            open.ok_or_else(|| usage("history: no file".to_owned()))?()
        }));
        self.places.push(Where::Ahead);
    }

    /// The log that the topics of a source go on behind, if it has history.
    pub(super) fn last_before(&self, kafka: &KafkaConfig) -> Option<u32> {
        kafka.history.as_ref().map(|_| (self.feeds.len() - 1) as u32)
    }
}

/// What tells files from others, in one line.
fn files_of(files: &FileSource) -> Result<String, FileError> {
    let each = FileSource { partition: FilePartition::File, ..files.clone() };
    let facts = identity(&each.check()?)?;
    let texts: Vec<String> = facts.into_iter().map(|(_, fact)| fact).collect();
    Ok(texts.join(", "))
}

/// Where a partition begins behind history; nothing where history was empty.
pub(super) fn begin(
    source: &KafkaSource,
    part: &LogPart,
    seam: &Seam,
    gaps: &Gaps,
) -> Result<Option<u64>, PartitionError> {
    let Some(end) = seam.end() else { return Ok(None) };
    let behind = source
        .behind(part, seam.floor(), end)
        .map_err(|error| PartitionError { what: error.to_string(), usage: false })?;
    if let Some(came) = behind.gap {
        let name = part.name();
        let gap = format!(
            "history ends at {end} and {name} begins at {came}: what lies between is in neither"
        );
        tracing::warn!("{gap}");
        gaps.lock().unwrap_or_else(PoisonError::into_inner).push(gap);
    }
    Ok(Some(behind.start))
}

/// What the partitions of a process are opened with.
pub(super) struct Opening {
    epoch: EpochLength,
    symbols: Symbols,
    greatest: Arc<AtomicI64>,
    number: u32,
    /// What histories leave, by their numbers.
    seams: BTreeMap<u32, Arc<Seams>>,
}

impl Opening {
    pub fn new(epoch: EpochLength, symbols: &Symbols, greatest: Arc<AtomicI64>) -> Self {
        let (symbols, seams) = (symbols.clone(), BTreeMap::new());
        Opening { epoch, symbols, greatest, number: 0, seams }
    }

    /// The opener of the next log.
    pub fn opener(&mut self, feed: FeedOpener, admission: AdmissionConfig, at: Where) -> Opener {
        let number = self.number;
        self.number += 1;
        let place = match at {
            Where::Alone => Place::Alone,
            Where::Ahead => Place::Ahead,
            Where::Behind(_) => Place::Behind,
        };
        let admission = AdmissionConfig { place, ..admission };
        let log = Log { feed, admission, epoch: self.epoch, symbols: self.symbols.clone(), number };
        let greatest = self.greatest.clone();
        let Where::Behind(before) = at else {
            if at == Where::Ahead {
                let (config, symbols) = (log.admission.clone(), self.symbols.clone());
                self.seams.insert(number, Seams::new(config, self.epoch, symbols));
            }
            return Box::new(move |Start { at, saved, facts }| {
                let opened = log.open(Start { at, saved: None, facts }, saved.as_deref(), None)?;
                Ok(Box::new(opened.raising(greatest)) as Box<dyn Partition>)
            });
        };
        let seams = self.seams[&before].clone();
        Box::new(move |Start { at, saved, facts }| {
            let start = Start { at, saved: None, facts };
            let open = move |seam: &Arc<Seam>, saved: Option<&[u8]>| {
                Ok(log.open(start, saved, Some(seam.clone()))?.raising(greatest))
            };
            Ok(Box::new(sources::FollowingPartition::new(seams, saved, open)) as Box<dyn Partition>)
        })
    }
}

/// One log before it is opened.
struct Log {
    feed: FeedOpener,
    admission: AdmissionConfig,
    epoch: EpochLength,
    symbols: Symbols,
    number: u32,
}

impl Log {
    fn open(
        self,
        start: Start,
        saved: Option<&[u8]>,
        seam: Option<Arc<Seam>>,
    ) -> Result<AdmittedPartition, PartitionError> {
        let Log { feed, admission, epoch, symbols, number } = self;
        let admission = AdmissionConfig { started_at: start.at, ..admission };
        let after = saved.and_then(AdmittedPartition::position_in);
        let ended =
            admission.place == Place::Ahead && saved.is_some_and(AdmittedPartition::has_ended_in);
        let feed = match ended {
            true => Box::new(MemoryFeed::default()) as Box<dyn Feed>,
            false => feed(Begin { after, facts: start.facts, seam })?,
        };
        let Some(saved) = saved else {
            return Ok(AdmittedPartition::new(feed, admission, epoch, symbols, number));
        };
        AdmittedPartition::restore(feed, admission, epoch, symbols, number, saved)
            .map_err(|error| PartitionError { what: error.to_string(), usage: false })
    }
}
