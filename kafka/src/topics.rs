//! Topics: which there are and how they are configured, and making those that are missing.

use crate::{KafkaError, Settings};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode as Code;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

/// How long an answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Between two looks whether every broker knows of a new topic.
const PAUSE: Duration = Duration::from_millis(10);
/// Such looks, at most.
const LOOKS_MAX: u32 = 1_000;

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i32,
    /// Its configuration, as Kafka names it.
    pub config: Vec<(&'static str, String)>,
}

/// A topic that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its partitions.
    pub partitions: i32,
    /// Copies of each.
    pub replication: i32,
}

/// What knows and makes topics.
pub struct Topics {
    admin: AdminClient<DefaultClientContext>,
    what: String,
}

impl Topics {
    /// Of the brokers of `settings`; it connects when first asked.
    ///
    /// # Errors
    /// Fails when a setting does not go with another.
    pub fn open(settings: &Settings) -> Result<Self, KafkaError> {
        let what = format!("kafka {}", settings.brokers());
        let admin = settings.client().create().map_err(|error| KafkaError::of(&what, error))?;
        Ok(Topics { admin, what })
    }

    /// Every topic there is that may be seen, but Kafka's own.
    ///
    /// # Errors
    /// Fails when no broker answers.
    pub fn list(&self) -> Result<BTreeMap<String, Topic>, KafkaError> {
        let metadata = self
            .admin
            .inner()
            .fetch_metadata(None, ANSWER_WAIT)
            .map_err(|error| KafkaError::of(format!("{}: topics", self.what), error))?;
        let topics = metadata.topics().iter().filter(|topic| !topic.name().starts_with("__"));
        let facts = topics.map(|topic| {
            let replicas = topic.partitions().first().map_or(0, |first| first.replicas().len());
            let partitions = i32::try_from(topic.partitions().len()).unwrap_or(i32::MAX);
            let replication = i32::try_from(replicas).unwrap_or(i32::MAX);
            (topic.name().to_owned(), Topic { partitions, replication })
        });
        Ok(facts.collect())
    }

    /// Makes those of `plans` that are missing and says how each topic is now: those that were there are
    /// left as they are.
    ///
    /// # Errors
    /// Fails when no broker answers or one is missing and may not be made.
    pub fn ensure(&self, plans: &[TopicPlan]) -> Result<BTreeMap<String, Topic>, KafkaError> {
        let mut there = self.list()?;
        let missing: Vec<&TopicPlan> =
            plans.iter().filter(|plan| !there.contains_key(&plan.name)).collect();
        if !missing.is_empty() {
            self.create(&missing)?;
            // A topic that another run made meanwhile may have a shape of its own.
            there = self.list()?;
            for _ in 0..LOOKS_MAX {
                if missing.iter().all(|plan| there.contains_key(&plan.name)) {
                    break;
                }
                std::thread::sleep(PAUSE);
                there = self.list()?;
            }
        }
        there.retain(|name, _| plans.iter().any(|plan| plan.name == *name));
        Ok(there)
    }

    fn create(&self, plans: &[&TopicPlan]) -> Result<(), KafkaError> {
        let topics: Vec<NewTopic<'_>> = plans.iter().map(|plan| new_topic(plan)).collect();
        let options = options();
        let made = wait_for(self.admin.create_topics(&topics, &options))
            .map_err(|error| KafkaError::of(format!("{}: making topics", self.what), error))?;
        for one in made {
            match one {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let what =
                        format!("{}: topic {topic} is missing and cannot be made", self.what);
                    return Err(KafkaError::of(what, code));
                }
            }
        }
        Ok(())
    }

    /// The configuration of topics that are there, by topic and name.
    ///
    /// # Errors
    /// Fails when no broker answers or one of them may not be described.
    pub fn configs(
        &self,
        names: &[&str],
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>, KafkaError> {
        let topics: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let failed =
            |error: String| KafkaError::of(format!("{}: describing topics", self.what), error);
        let answer = wait_for(self.admin.describe_configs(&topics, &options()))
            .map_err(|error| failed(error.to_string()))?;
        let mut configs = BTreeMap::new();
        for resource in answer {
            let resource = resource.map_err(|code| failed(code.to_string()))?;
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { continue };
            let values = resource.entries.into_iter();
            let values = values.filter_map(|entry| Some((entry.name, entry.value?)));
            configs.insert(name, values.collect());
        }
        Ok(configs)
    }
}

fn new_topic(plan: &TopicPlan) -> NewTopic<'_> {
    let replication = TopicReplication::Fixed(plan.replication);
    let topic = NewTopic::new(&plan.name, plan.partitions, replication);
    plan.config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
}

pub(crate) fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The one future at a time that an administrator's answer is needs no runtime.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
