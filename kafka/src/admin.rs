//! Asking brokers about topics: what there is, where a partition begins and ends, what lay there at a time; and making
//! topics, and saying for display how far a group read.

use crate::client::{Client, Context, failed};
use crate::raw;
use crate::settings::{KafkaError, Settings};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);

/// How often a topic that was made is looked for, and how long between.
const LOOKS_MAX: u32 = 300;
const LOOK_EACH: Duration = Duration::from_millis(20);

/// A partition of a topic, by its name and number. Sorts by the bytes of the name, then by number.
pub type PartitionName = (String, u32);

/// A topic as the brokers describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
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

/// A topic to be made.
#[derive(Clone, Debug)]
pub struct TopicPlan<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions.
    pub partitions: u32,
    /// How many brokers hold each; none is as many as they are configured to.
    pub replicas: Option<u32>,
    /// As Kafka names them: `cleanup.policy`, `retention.ms`.
    pub settings: &'a [(&'a str, &'a str)],
}

/// A connection for such questions. Each waits for its answer, half a minute at most.
pub struct Admin {
    client: Client,
    admin: AdminClient<Context>,
    settings: Settings,
}

impl Admin {
    /// Connects in the background.
    ///
    /// # Errors
    /// Fails where the settings do not go together.
    pub fn new(settings: &Settings) -> Result<Self, KafkaError> {
        let admin = AdminClient::from_config_and_context(&settings.client(), Context::default())
            .map_err(|error| KafkaError::of(format!("brokers {}", settings.brokers()), error))?;
        Ok(Admin { client: Client::new(settings, &[])?, admin, settings: settings.clone() })
    }

    /// The names of all topics that we may see, sorted by their bytes.
    ///
    /// # Errors
    /// Fails when no broker answers.
    pub fn topics(&self) -> Result<Vec<String>, KafkaError> {
        let doing = || format!("listing the topics of {}", self.settings.brokers());
        let listed = self.client.consumer().fetch_metadata(None, WAIT);
        let listed = listed.map_err(|error| self.explain(doing(), &error))?;
        let mut names: Vec<String> =
            listed.topics().iter().map(|topic| topic.name().to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// What is known of a topic; nothing where there is none.
    ///
    /// # Errors
    /// Fails when no broker answers, or we may not ask.
    pub fn topic(&self, name: &str) -> Result<Option<Topic>, KafkaError> {
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
        Ok(Some(Topic { name: name.to_owned(), id, partitions: partitions as u32 }))
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

    /// Makes a topic; false where there is one of that name already.
    ///
    /// # Errors
    /// Fails when the brokers refuse it or do not answer.
    pub fn create(&self, plan: &TopicPlan<'_>) -> Result<bool, KafkaError> {
        let doing = || format!("creating topic {}", plan.name);
        let replicas = plan.replicas.map_or(-1, |replicas| replicas as i32);
        let topic =
            NewTopic::new(plan.name, plan.partitions as i32, TopicReplication::Fixed(replicas));
        let topic = plan.settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let made = wait_for(self.admin.create_topics([&topic], &options()));
        match made.map_err(|error| self.explain(doing(), &error))?.pop() {
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
            Some(Err((_, code))) => Err(failed(doing(), code)),
            _ => self.await_topic(plan.name).map(|()| true),
        }
    }

    /// Who made a topic hears of it before the brokers that are asked for it.
    fn await_topic(&self, name: &str) -> Result<(), KafkaError> {
        for _ in 0..LOOKS_MAX {
            if self.topic(name)?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK_EACH);
        }
        Err(KafkaError::of(format!("creating topic {name}"), "it was made, and no broker shows it"))
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

    /// The administrator behind it.
    pub(crate) fn inner(&self) -> &AdminClient<Context> {
        &self.admin
    }
}

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(WAIT)).operation_timeout(Some(WAIT))
}

/// Waits for an answer on this thread: one at a time wants no runtime.
pub(crate) fn wait_for<T>(answer: impl Future<Output = T>) -> T {
    struct Parked(Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    let mut context = std::task::Context::from_waker(&waker);
    let mut answer = pin!(answer);
    loop {
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(told) => return told,
            Poll::Pending => std::thread::park(),
        }
    }
}
