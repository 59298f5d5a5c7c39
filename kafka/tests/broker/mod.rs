//! The broker that tests use, topics of their own on it, and what was written to them.

use kafka::{Settings, TopicPlan, Topics};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// The broker of `scripts/services up`.
pub fn settings(given: &[(&str, &str)]) -> Settings {
    let brokers = std::env::var("TIDEMILL_KAFKA")
        .expect("TIDEMILL_KAFKA is not set: run scripts/services up and read target/services/env");
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::new(&brokers, given.iter().map(own).collect::<BTreeMap<_, _>>()).unwrap()
}

/// A name that no other test has.
pub fn fresh(name: &str) -> String {
    format!("{name}.{:016x}", RandomState::new().build_hasher().finish())
}

/// A new topic of one partition.
pub fn topic(name: &str) -> String {
    let name = fresh(name);
    let plan = TopicPlan { name: name.clone(), partitions: 1, replication: 1, config: vec![] };
    Topics::open(&settings(&[])).unwrap().ensure(&[plan]).unwrap();
    name
}

/// Keys and values of a topic of one partition, those of transactions that were committed.
pub fn committed(topic: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(b"-").to_vec()).unwrap();
    kafka::read_committed(&settings(&[]), topic, 0, |key, value| {
        list.push((text(key), text(value)));
    })
    .unwrap();
    list
}
