//! What tests against a real broker share.

use crate::topics::{options, wait_for};
use crate::{KafkaError, PartitionName, Settings, TopicPlan, Topics};
use rdkafka::admin::{AdminClient, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// The brokers that `scripts/services up` started.
///
/// # Panics
/// Panics where there are none: a test that speaks to Kafka does not pass without it.
pub fn brokers() -> String {
    std::env::var("TIDEMILL_KAFKA").unwrap_or_else(|_| {
        panic!("TIDEMILL_KAFKA is not set: scripts/services up starts Kafka and says where it is")
    })
}

/// Settings for these brokers.
pub fn settings() -> Settings {
    Settings::new(&brokers(), BTreeMap::new()).expect("settings without a setting")
}

/// A name that no topic, group or transaction has yet, beginning with `word`.
pub fn fresh(word: &str) -> String {
    format!("{word}-{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// A topic of its own with so many partitions.
///
/// # Panics
/// Panics when it cannot be made.
pub fn topic(word: &str, partitions: i32) -> String {
    let name = fresh(word);
    make(&name, partitions);
    name
}

/// Makes a topic of that name, where there is none.
///
/// # Panics
/// Panics when it cannot be made.
pub fn make(name: &str, partitions: i32) {
    let plan = TopicPlan { name: name.to_owned(), partitions, replication: 1, config: vec![] };
    let topics = Topics::open(&settings()).expect("an administrator");
    topics.ensure(&[plan]).expect("a topic is made");
}

/// Gives a topic more partitions, so many in all.
///
/// # Panics
/// Panics when the brokers refuse it.
pub fn grow(name: &str, partitions: usize) {
    let partitions = NewPartitions::new(name, partitions);
    let grown = wait_for(admin().create_partitions(&[partitions], &options()));
    assert!(grown.is_ok_and(|all| all.iter().all(Result::is_ok)), "{name} is given partitions");
}

/// Removes all records of a partition before `offset`, as retention does.
///
/// # Errors
/// Fails when the brokers refuse it.
pub fn delete_before((topic, partition): &PartitionName, offset: u64) -> Result<(), KafkaError> {
    let failed = |error| KafkaError::of("deleting records", error);
    let mut list = TopicPartitionList::new();
    let (partition, offset) = (*partition as i32, Offset::Offset(offset as i64));
    list.add_partition_offset(topic, partition, offset).map_err(failed)?;
    wait_for(admin().delete_records(&list, &options())).map(|_| ()).map_err(failed)
}

/// Removes a topic.
///
/// # Errors
/// Fails when the brokers refuse it.
pub fn delete_topic(name: &str) -> Result<(), KafkaError> {
    let failed = |error| KafkaError::of("deleting a topic", error);
    wait_for(admin().delete_topics(&[name], &options())).map(|_| ()).map_err(failed)
}

fn admin() -> AdminClient<DefaultClientContext> {
    settings().client().create().expect("an administrator")
}
