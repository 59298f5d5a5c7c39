//! Asking brokers what a reader must know: which topic a name means, where a partition begins and ends, what lay
//! where at a time; and saying for display how far a group read.

use crate::client::{Client, failed};
use crate::raw;
use crate::settings::{KafkaError, Settings};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);
/// Between two looks whether a broker that was away is there.
const LOOK: Duration = Duration::from_secs(1);
/// Such looks: for so many seconds brokers are waited for when a run starts.
pub const ANSWERS_MAX: u32 = 60;

/// A partition of a topic, by its name and number. Sorts by the bytes of the name, then by number.
pub type PartitionName = (String, u32);

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its id: a topic that was removed and made anew has another.
    pub id: String,
    /// How many partitions it has, numbered from 0.
    pub partitions: u32,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The first offset that is kept.
    pub first: u64,
    /// The offset behind the last committed record.
    pub end: u64,
}

/// A connection for such questions. Each waits for its answer, half a minute at most.
pub struct Admin {
    client: Client,
    settings: Settings,
}

impl Admin {
    /// Connects in the background.
    ///
    /// # Errors
    /// Fails where the settings do not go together.
    pub fn new(settings: &Settings) -> Result<Self, KafkaError> {
        Ok(Admin { client: Client::new(settings, &[])?, settings: settings.clone() })
    }

    /// Waits until a broker answers, a minute at most, and says so again and again; `stop` ends that at once.
    ///
    /// # Errors
    /// Fails when none answered by then, or does not let us.
    pub fn wait(&self, stop: &AtomicBool) -> Result<(), KafkaError> {
        let doing = || format!("brokers {}", self.settings.brokers());
        for look in 1..=ANSWERS_MAX {
            // Of one topic that need not be there: the answer is short however many there are.
            let answer = self.client.consumer().fetch_metadata(Some("tidemill_control"), LOOK);
            let Err(error) = answer else { return Ok(()) };
            let error = self.explain(doing(), &error);
            if self.client.fatal().is_some() || stop.load(Ordering::Relaxed) {
                return Err(error);
            }
            if look.is_power_of_two() {
                tracing::warn!(target: "kafka", "{error}; waited for {look} of {ANSWERS_MAX} s");
            }
            if look == ANSWERS_MAX {
                return Err(error);
            }
        }
        Ok(())
    }

    /// What is known of a topic; nothing where there is none.
    ///
    /// # Errors
    /// Fails when no broker answers, or we may not ask.
    pub fn topic(&self, name: &str) -> Result<Option<Described>, KafkaError> {
        // Asked over the plain protocol first: it says that there is none without waiting.
        let doing = || format!("describing topic {name}");
        let listed = self.client.consumer().fetch_metadata(Some(name), WAIT);
        let listed = listed.map_err(|error| self.explain(doing(), &error))?;
        let error = listed.topics().first().and_then(|topic| topic.error());
        match error.map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(failed(doing(), code)),
            None => {}
        }
        let (id, partitions) = raw::describe(&self.client, name, WAIT)?;
        Ok(Some(Described { id, partitions: partitions as u32 }))
    }

    /// Where partitions begin and end, in the order given.
    ///
    /// # Errors
    /// Fails when their brokers do not answer, or one does not exist.
    pub fn bounds(&self, partitions: &[PartitionName]) -> Result<Vec<Bounds>, KafkaError> {
        let firsts = self.offsets(partitions, Offset::Beginning)?;
        let ends = self.offsets(partitions, Offset::End)?;
        let bounds = firsts.into_iter().zip(ends);
        Ok(bounds
            .map(|(first, end)| Bounds { first: first.unwrap_or(0), end: end.unwrap_or(0) })
            .collect())
    }

    /// The first record at or behind a time, of partitions in the order given; none where all are older.
    ///
    /// # Errors
    /// Fails when their brokers do not answer, or one does not exist.
    pub fn offsets_at(
        &self,
        partitions: &[PartitionName],
        time_ms: i64,
    ) -> Result<Vec<Option<u64>>, KafkaError> {
        self.offsets(partitions, Offset::Offset(time_ms.max(0)))
    }

    fn offsets(
        &self,
        partitions: &[PartitionName],
        at: Offset,
    ) -> Result<Vec<Option<u64>>, KafkaError> {
        let doing = || "asking for the offsets of partitions".to_owned();
        let mut asked = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            let added = asked.add_partition_offset(topic, *partition as i32, at);
            added.map_err(|error| KafkaError::of(doing(), error))?;
        }
        let told = self.client.consumer().offsets_for_times(asked, WAIT);
        let told = told.map_err(|error| self.explain(doing(), &error))?;
        let offset = |(topic, partition): &PartitionName| {
            let found = told.find_partition(topic, *partition as i32);
            let Some(found) = found else {
                return Err(KafkaError::of(doing(), format!("{topic}/{partition} is not there")));
            };
            found.error().map_err(|error| KafkaError::of(format!("{topic}/{partition}"), error))?;
            match found.offset() {
                Offset::Offset(offset) => Ok(u64::try_from(offset).ok()),
                _ => Ok(None),
            }
        };
        partitions.iter().map(offset).collect()
    }

    /// How far a group says it read: the next offset of partitions in the order given, where it said so.
    ///
    /// # Errors
    /// Fails when the group's broker does not answer, or we may not.
    pub fn committed(
        &self,
        group: &str,
        partitions: &[PartitionName],
    ) -> Result<Vec<Option<u64>>, KafkaError> {
        let doing = || format!("asking for the offsets of group {group}");
        let client = Client::new(&self.settings, &[("group.id", group)])?;
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition as i32);
        }
        let told = client.consumer().committed_offsets(list, WAIT);
        let told = told.map_err(|error| self.explain(doing(), &error))?;
        let next = |(topic, partition): &PartitionName| match told
            .find_partition(topic, *partition as i32)?
            .offset()
        {
            Offset::Offset(offset) => u64::try_from(offset).ok(),
            _ => None,
        };
        Ok(partitions.iter().map(next).collect())
    }

    /// Says for display how far a group read: the next offset of each partition.
    ///
    /// # Errors
    /// Fails when the group's broker does not answer, or we may not.
    pub fn commit(&self, group: &str, next: &[(PartitionName, u64)]) -> Result<(), KafkaError> {
        let doing = || format!("committing offsets of group {group}");
        let committer = Client::new(&self.settings, &[("group.id", group)])?;
        let mut list = TopicPartitionList::with_capacity(next.len());
        for ((topic, partition), offset) in next {
            let offset = Offset::Offset(*offset as i64);
            let added = list.add_partition_offset(topic, *partition as i32, offset);
            added.map_err(|error| KafkaError::of(doing(), error))?;
        }
        let committed = committer.consumer().commit(&list, CommitMode::Sync);
        committed.map_err(|error| self.explain(doing(), &error))
    }

    /// An error, with what the connection said for good: why nobody answers.
    fn explain(&self, doing: String, error: &rdkafka::error::KafkaError) -> KafkaError {
        self.client.serve();
        match self.client.fatal() {
            Some(fatal) => KafkaError::of(doing, fatal),
            None => KafkaError::of(doing, error),
        }
    }
}
