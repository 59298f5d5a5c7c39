//! What tests against a real broker share.

use crate::admin::{Admin, PartitionName, TopicPlan, options, wait_for};
use crate::settings::{KafkaError, Settings};
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
pub fn topic(word: &str, partitions: u32) -> String {
    let name = fresh(word);
    let plan = TopicPlan { name: &name, partitions, replicas: None, settings: &[] };
    let admin = Admin::new(&settings()).expect("an administrator");
    assert!(admin.create(&plan).expect("a topic is made"), "{name} is there already");
    name
}

/// Removes all records of a partition before `offset`, as retention does.
///
/// # Errors
/// Fails when the brokers refuse it.
pub fn delete_before(admin: &Admin, of: &PartitionName, offset: u64) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&of.0, of.1 as i32, Offset::Offset(offset as i64))
        .map_err(|error| KafkaError::of("deleting records", error))?;
    wait_for(admin.inner().delete_records(&list, &options()))
        .map(|_| ())
        .map_err(|error| KafkaError::of("deleting records", error))
}

/// Removes a topic.
///
/// # Errors
/// Fails when the brokers refuse it.
pub fn delete_topic(admin: &Admin, name: &str) -> Result<(), KafkaError> {
    wait_for(admin.inner().delete_topics(&[name], &options()))
        .map(|_| ())
        .map_err(|error| KafkaError::of("deleting a topic", error))
}
