//! Asking brokers what a reader must know: which topic a name means, where a partition begins and ends, what lay
//! where at a time.

use crate::client::{Client, failed};
use crate::raw;
use crate::settings::{KafkaError, Settings};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);
/// How often is asked while brokers come and go, and what lies between.
const ASKS_MAX: u32 = 5;
const ASK_AGAIN: Duration = Duration::from_millis(500);
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
    /// Who is asked, for messages.
    brokers: String,
}

impl Admin {
    /// Connects in the background.
    ///
    /// # Errors
    /// Fails where the settings do not go together.
    pub fn new(settings: &Settings) -> Result<Self, KafkaError> {
        let brokers = settings.brokers().to_owned();
        Ok(Admin { client: Client::new(settings, &[])?, brokers })
    }

    /// Waits until a broker answers, a minute at most, and says so again and again; `stop` ends that at once.
    ///
    /// # Errors
    /// Fails when none answered by then, or does not let us.
    pub fn wait(&self, stop: &AtomicBool) -> Result<(), KafkaError> {
        for look in 1..=ANSWERS_MAX {
            let Err(error) = self.look(LOOK) else { return Ok(()) };
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

    /// Whether a broker answers within a time.
    ///
    /// # Errors
    /// Fails when none does, with what is known of why.
    pub fn look(&self, within: Duration) -> Result<(), KafkaError> {
        // Of one topic that need not be there: the answer is short however many there are.
        let answer = self.client.consumer().fetch_metadata(Some("tidemill_control"), within);
        let doing = || format!("brokers {}", self.brokers);
        answer.map(drop).map_err(|error| self.client.explain(doing(), &error))
    }

    /// What is known of a topic; nothing where there is none.
    ///
    /// # Errors
    /// Fails when no broker answers, or we may not ask.
    pub fn topic(&self, name: &str) -> Result<Option<Described>, KafkaError> {
        // Asked over the plain protocol first: it says that there is none without waiting.
        let doing = || format!("describing topic {name}");
        let listed = again(|| self.client.consumer().fetch_metadata(Some(name), WAIT));
        let listed = listed.map_err(|error| self.client.explain(doing(), &error))?;
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
        let told = again(|| self.client.consumer().offsets_for_times(asked.clone(), WAIT));
        let told = told.map_err(|error| self.client.explain(doing(), &error))?;
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
}

/// Asks again where the broker that was asked is gone or another one leads by now: while brokers come and go, what
/// is known of them is old, and each failure makes it newer.
pub(crate) fn again<T>(mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    for _ in 1..ASKS_MAX {
        match ask() {
            Err(error) if error.rdkafka_error_code().is_some_and(is_passing) => {
                std::thread::sleep(ASK_AGAIN);
            }
            answer => return answer,
        }
    }
    ask()
}

fn is_passing(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::DestroyBroker
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::NotLeaderForPartition
            | RDKafkaErrorCode::LeaderNotAvailable
    )
}
