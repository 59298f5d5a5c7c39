//! Which partitions a Kafka source has, where each begins and ends, and what is missing since it was last read.

use super::control::{Control, Decision};
use super::feed::KafkaFeed;
use super::name::TopicName;
use crate::codec::{Codec, Decoder};
use crate::{Feed, Layout, LayoutError, LayoutOptions};
use ::kafka::{Admin, Bounds, Consumer, KafkaError, PartitionName, Settings, Topics};
use market::{Symbols, Time};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Partitions that a source may have.
const PARTITIONS_MAX: usize = 65_536;

/// What is known of a partition only when its log is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// The offset of the first message that is read, where that is not its part's.
    pub start: Option<u64>,
    /// Where the watermark of one begins that joins.
    pub joins: Option<Time>,
}

/// Opens the log of one partition.
pub type PartOpener =
    Box<dyn FnOnce(Begin) -> Result<Box<dyn Feed>, market::PartitionError> + Send>;

/// Where a partition is begun that no checkpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaStart {
    /// At the first record that is kept.
    Earliest,
    /// Behind the last record that was committed when it was asked.
    Latest,
    /// At the first record that came at this time or later.
    At(Time),
}

/// Why a Kafka source cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaSourceError {
    /// The brokers say so, or say nothing.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// The columns cannot be.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Nothing matches a name or pattern.
    #[error("topics: \"{0}\": there is no such topic that we may see; tidemill topics lists them")]
    NoTopic(String),
    /// More than may be.
    #[error("topics: {0} partitions, at most {PARTITIONS_MAX}")]
    Partitions(usize),
    /// Records are gone that were not read yet.
    #[error("{0}; --accept-gap goes on behind it")]
    Gap(Gap),
}

/// A partition, and the part of it that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// The topic.
    pub topic: String,
    /// What tells it from another of that name.
    pub topic_id: String,
    /// The partition's number.
    pub partition: u32,
    /// The offset of the first message that is read.
    pub start: u64,
    /// The offset that is not read any more; none: it goes on.
    pub end: Option<u64>,
    /// What was decided of it from outside, by rising position.
    pub decided: Vec<Decision>,
}

impl LogPart {
    /// `topic/partition`, as in dead letters.
    pub fn name(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    /// The topic's name and the partition's number.
    pub fn key(&self) -> PartitionName {
        (self.topic.clone(), self.partition)
    }
}

/// Records that were to be read and are not kept any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The topic.
    pub topic: String,
    /// The partition's number.
    pub partition: u32,
    /// The first offset that is missing.
    pub from: u64,
    /// The first offset that is there again.
    pub to: u64,
    /// Whether the topic is not the one that was read, but made anew.
    pub anew: bool,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap { topic, partition, from, to, anew } = self;
        match anew {
            true => write!(
                f,
                "{topic}/{partition}: the topic was made anew since it was read up to offset {from}: it begins at {to}"
            ),
            false => write!(
                f,
                "{topic}/{partition}: offsets {from} to {} are not kept any more, the first is {to}",
                to.saturating_sub(1)
            ),
        }
    }
}

/// Topics, and how their messages are read.
#[derive(Clone, Debug)]
pub struct KafkaSource {
    /// Where the brokers are.
    pub settings: Settings,
    /// Names and patterns.
    pub topics: Vec<TopicName>,
    /// How trades stand in messages.
    pub codec: Codec,
    /// `columns` and `where`.
    pub layout: LayoutOptions,
    /// A topic that no pattern matches: where decisions stand.
    pub control: String,
}

impl KafkaSource {
    /// Every partition there is, by the bytes of its topic's name and its number, from `start` on. Asked once by
    /// one process and told to the others: a moment later the answer may be another.
    ///
    /// # Errors
    /// Fails when no broker answers, and where a name or pattern finds no topic.
    pub fn resolve(&self, start: KafkaStart) -> Result<Vec<LogPart>, KafkaSourceError> {
        let admin = Admin::new(&self.settings)?;
        let mut parts = self.partitions(&admin)?;
        let names: Vec<PartitionName> = parts.iter().map(LogPart::key).collect();
        let bounds = admin.bounds(&names)?;
        let starts: Vec<u64> = match start {
            KafkaStart::Earliest => bounds.iter().map(|bounds| bounds.first).collect(),
            KafkaStart::Latest => bounds.iter().map(|bounds| bounds.end).collect(),
            KafkaStart::At(time) => {
                let found = admin.offsets_at(&names, time.ns().div_euclid(1_000_000))?;
                found.iter().zip(&bounds).map(|(found, at)| found.unwrap_or(at.end)).collect()
            }
        };
        parts.iter_mut().zip(starts).for_each(|(part, start)| part.start = start);
        Ok(parts)
    }

    /// Waits until a broker answers, a minute at most; `stop` ends that at once.
    ///
    /// # Errors
    /// Fails when none answered by then.
    pub fn wait(&self, stop: &AtomicBool) -> Result<(), KafkaSourceError> {
        Ok(Admin::new(&self.settings)?.wait(stop)?)
    }

    /// Ends each part where its partition ends now.
    ///
    /// # Errors
    /// Fails when no broker answers.
    pub fn end_now(&self, parts: &mut [LogPart]) -> Result<(), KafkaSourceError> {
        let bounds = self.bounds(parts)?;
        parts.iter_mut().zip(bounds).for_each(|(part, bounds)| part.end = Some(bounds.end));
        Ok(())
    }

    /// What is missing where `parts` begin: retention took it, or the topic was made anew. Each of these parts then
    /// begins at the first record that is kept.
    ///
    /// # Errors
    /// Fails when no broker answers, a topic is gone, and at the first gap where none is accepted.
    pub fn mend(
        &self,
        parts: &mut [LogPart],
        accept_gap: bool,
    ) -> Result<Vec<Gap>, KafkaSourceError> {
        let admin = Admin::new(&self.settings)?;
        let names: Vec<PartitionName> = parts.iter().map(LogPart::key).collect();
        let mut ids = std::collections::BTreeMap::new();
        for topic in names.iter().map(|(topic, _)| topic).collect::<BTreeSet<_>>() {
            let found = admin.topic(topic)?;
            let found = found.ok_or_else(|| KafkaSourceError::NoTopic(topic.clone()))?;
            ids.insert(topic.as_str(), found.id);
        }
        let bounds = admin.bounds(&names)?;
        let mut gaps = Vec::new();
        for (part, bounds) in parts.iter_mut().zip(bounds) {
            let id = &ids[part.topic.as_str()];
            let Some(gap) = gap(part, id, bounds) else { continue };
            if !accept_gap {
                return Err(KafkaSourceError::Gap(gap));
            }
            tracing::warn!(partition = part.name(), "{gap}");
            (part.start, part.topic_id) = (gap.to, id.clone());
            gaps.push(gap);
        }
        Ok(gaps)
    }

    /// Where each part's partition begins and ends now, in their order.
    ///
    /// # Errors
    /// Fails when no broker answers.
    pub fn bounds(&self, parts: &[LogPart]) -> Result<Vec<Bounds>, KafkaSourceError> {
        let names: Vec<PartitionName> = parts.iter().map(LogPart::key).collect();
        Ok(Admin::new(&self.settings)?.bounds(&names)?)
    }

    /// The feeds of parts, in their order; a connection is shared. None is read yet.
    /// With a control, partitions where nothing comes are decided upon, and others may join.
    ///
    /// # Errors
    /// Refuses columns that cannot be.
    pub fn open(
        &self,
        parts: &[LogPart],
        control: Option<Arc<Control>>,
        symbols: &Symbols,
    ) -> Result<Vec<PartOpener>, KafkaSourceError> {
        let layout = Layout::new(&self.layout)?;
        // Says what is wrong with the layout before anything runs.
        Decoder::new(self.codec, &layout, symbols)?;
        let consumer = Consumer::new(&self.settings)?;
        let opener = |part: &LogPart| -> PartOpener {
            let (mut part, consumer, codec) = (part.clone(), consumer.clone(), self.codec);
            let (layout, symbols, control) = (layout.clone(), symbols.clone(), control.clone());
            Box::new(move |Begin { start, joins }| {
                part.start = start.unwrap_or(part.start);
                let failed = |what: String| market::PartitionError { what, usage: false };
                let decoder = Decoder::new(codec, &layout, &symbols)
                    .map_err(|error| failed(error.to_string()))?;
                let reader = consumer.read(&part.topic, part.partition, part.start);
                let reader = reader.map_err(|error| failed(error.to_string()))?;
                let feed = KafkaFeed::new(reader, decoder, part, control, joins)?;
                Ok(Box::new(feed) as Box<dyn Feed>)
            })
        };
        Ok(parts.iter().map(opener).collect())
    }

    /// Every partition of the topics, from its beginning.
    fn partitions(&self, admin: &Admin) -> Result<Vec<LogPart>, KafkaSourceError> {
        let mut parts = Vec::new();
        for topic in self.names()? {
            let found = admin.topic(&topic)?;
            let found = found.ok_or_else(|| KafkaSourceError::NoTopic(topic.clone()))?;
            parts.extend((0..found.partitions).map(|partition| LogPart {
                topic: topic.clone(),
                topic_id: found.id.clone(),
                partition,
                start: 0,
                end: None,
                decided: Vec::new(),
            }));
        }
        match parts.len() {
            0..=PARTITIONS_MAX => Ok(parts),
            many => Err(KafkaSourceError::Partitions(many)),
        }
    }

    /// The names, and those that patterns match, sorted by their bytes. A pattern matches no topic of Kafka's own.
    ///
    /// # Errors
    /// Fails when no broker answers, and where a pattern matches nothing.
    pub fn names(&self) -> Result<BTreeSet<String>, KafkaSourceError> {
        let mut names = BTreeSet::new();
        let mut listed = None;
        for given in &self.topics {
            if !given.is_pattern() {
                names.insert(given.text().to_owned());
                continue;
            }
            if listed.is_none() {
                listed = Some(Topics::open(&self.settings)?.list()?);
            }
            let all = listed.iter().flat_map(|topics| topics.keys());
            let found: Vec<&String> = all.filter(|name| self.means(given, name)).collect();
            if found.is_empty() {
                return Err(KafkaSourceError::NoTopic(given.text().to_owned()));
            }
            names.extend(found.into_iter().cloned());
        }
        Ok(names)
    }

    /// Whether a topic is one that `given` names or matches: no pattern matches the control topic.
    pub fn means(&self, given: &TopicName, topic: &str) -> bool {
        given.matches(topic) && (!given.is_pattern() || topic != self.control)
    }
}

fn gap(part: &LogPart, id: &str, bounds: Bounds) -> Option<Gap> {
    let anew = part.topic_id != id || part.start > bounds.end;
    (anew || part.start < bounds.first).then(|| Gap {
        topic: part.topic.clone(),
        partition: part.partition,
        from: part.start,
        to: bounds.first,
        anew,
    })
}
