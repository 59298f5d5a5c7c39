//! History: files that are read before the topics of a source, and topics that go on behind them.

use super::bench::{FeedOpener, Known, Log, Where};
use super::identity::identity;
use super::inputs::Inputs;
use super::topics::{TopicPart, TopicSource, Topics};
use market::{PartitionError, Symbols, Time};
use sources::{
    Begin, FileError, FilePartition, FileSource, KafkaSource, KafkaStart, LogPart, PartOpener, Seam,
};
use std::sync::{Arc, Mutex, PoisonError};

/// What the fact of a history says that could not be looked at.
const NOT_THERE: &str = "not there";

/// What the facts begin with that say which files histories are of.
const FACT: &str = "start history of ";

/// What was found missing, in words.
pub(super) type Gaps = Arc<Mutex<Vec<String>>>;

impl Inputs {
    /// Adds the history of source `name`: one log; its number. Which files it was made of is recorded where the run
    /// begins; they may be others, or gone, once it was read to its end.
    pub(super) fn read_before(&mut self, files: FileSource, name: &str, symbols: &Symbols) -> u32 {
        let fact = format!("{FACT}{name}");
        let mine = files_of(&files).unwrap_or_else(|_| NOT_THERE.to_owned());
        self.topics.histories.push((fact.clone(), mine.clone()));
        let symbols = symbols.clone();
        self.feeds.push(Box::new(move |at: Known| {
            let known = at.histories.iter().find(|(name, _)| *name == fact);
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
        (self.feeds.len() - 1) as u32
    }
}

/// Whether a fact says which files a history is of.
pub(super) fn is_of_history(name: &str) -> bool {
    name.starts_with(FACT)
}

/// What tells files from others, in one line.
fn files_of(files: &FileSource) -> Result<String, FileError> {
    let each = FileSource { partition: FilePartition::File, ..files.clone() };
    let facts = identity(&each.check()?)?;
    let texts: Vec<String> = facts.into_iter().map(|(_, fact)| fact).collect();
    Ok(texts.join(", "))
}

impl Topics {
    /// What the history of this number is called, which the files that it was made of need not be there for.
    pub(super) fn history_of(&self, number: u32) -> Option<String> {
        let source = self.sources.iter().find(|source| source.behind == Some(number))?;
        Some(format!("history of {}", source.name))
    }
}

impl TopicSource {
    /// Whether its partitions begin where history says at its end, which holds what came before.
    pub fn begins_behind(&self) -> bool {
        self.behind.is_some() && self.config.start == KafkaStart::Earliest
    }

    /// Where a partition is begun that no checkpoint knows, where nothing before `from` is wanted.
    pub fn start(&self, from: Option<Time>) -> KafkaStart {
        let from = from.filter(|_| !self.begins_behind());
        from.map_or(self.config.start, |from| {
            KafkaStart::At(Time::from_ns(from.ns().saturating_sub(self.timing.horizon_ns)))
        })
    }

    /// The log of one of its partitions, with the watermark of one that joins.
    pub fn log(&self, part: &TopicPart, open: PartOpener, joins: Option<Time>, gaps: &Gaps) -> Log {
        let (source, of, gaps) = (self.source.clone(), part.log.clone(), gaps.clone());
        let is_open = part.open;
        let feed: FeedOpener = Box::new(move |known: Known| {
            let seam = known.seam.filter(|_| is_open);
            let start = seam.map(|seam| begin(&source, &of, &seam, &gaps)).transpose()?.flatten();
            open(Begin { start, joins })
        });
        Log {
            number: part.number,
            timing: self.timing,
            place: self.behind.map_or(Where::Alone, Where::Behind),
            anew: part.anew,
            name: part.log.name(),
            feed,
            pool: self.pool,
        }
    }
}

/// Where a partition begins behind history; nothing where history was empty.
fn begin(
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
