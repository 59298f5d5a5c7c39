//! Transactions against a broker: all of one is read or nothing, in order, and the last owner alone writes.

use kafka::trial::{brokers, fresh};
use kafka::{
    Batch, Headers, Producer, Record, Settings, TopicPlan, Topics, Transactions, read_committed,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn settings(given: &[(&str, &str)]) -> Settings {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Settings::new(&brokers(), given.iter().map(own).collect()).unwrap()
}

fn topic(word: &str) -> String {
    kafka::trial::topic(word, 1)
}

/// Keys and values of a topic of one partition, those of transactions that were committed.
fn committed(topic: &str) -> Vec<(String, String)> {
    let mut list = Vec::new();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or(b"-").to_vec()).unwrap();
    read_committed(&settings(&[]), topic, 0, |key, value| {
        list.push((text(key), text(value)));
    })
    .unwrap();
    list
}

fn open(id: &str, given: &[(&str, &str)]) -> Transactions {
    Transactions::open(&settings(given), id, Arc::default()).unwrap()
}

/// Sends records `from..to`, each its number.
fn send(writer: &mut Transactions, topic: &str, from: usize, to: usize) {
    let headers = Headers::of(&[("schema", "number/1")]);
    let mut batch = Batch::default();
    for number in from..to {
        let text = number.to_string();
        let record = Record {
            topic,
            partition: Some(0),
            key: Some(text.as_bytes()),
            value: (number % 10 != 9).then_some(text.as_bytes()),
            headers: Some(&headers),
            timestamp_ms: None,
        };
        batch.push(&record);
        if number % 100 == 0 {
            writer.send(std::mem::take(&mut batch)).unwrap();
        }
    }
    writer.send(batch).unwrap();
}

fn numbers(from: usize, to: usize) -> Vec<(String, String)> {
    let value = |n: usize| if n % 10 == 9 { "-".to_owned() } else { n.to_string() };
    (from..to).map(|n| (n.to_string(), value(n))).collect()
}

#[test]
fn what_is_committed_is_read_and_nothing_else() {
    let (topic, id) = (topic("commit"), fresh("writer"));
    let mut writer = open(&id, &[]);
    writer.commit().unwrap();
    send(&mut writer, &topic, 0, 1_000);
    writer.commit().unwrap();
    send(&mut writer, &topic, 5_000, 6_000);
    writer.abort().unwrap();
    send(&mut writer, &topic, 1_000, 2_500);
    writer.commit().unwrap();
    send(&mut writer, &topic, 7_000, 8_000);
    drop(writer);
    assert_eq!(committed(&topic), numbers(0, 2_500));
}

#[test]
fn a_later_owner_fences_the_earlier_and_gives_up_what_it_left() {
    let (topic, id) = (topic("fence"), fresh("writer"));
    let mut zombie = open(&id, &[]);
    send(&mut zombie, &topic, 0, 100);
    zombie.commit().unwrap();
    send(&mut zombie, &topic, 500, 600);
    let mut owner = open(&id, &[]);
    send(&mut owner, &topic, 100, 200);
    owner.commit().unwrap();
    let error = zombie.commit().unwrap_err().to_string();
    assert!(error.contains("another run has taken over") && error.contains(&id), "{error}");
    assert!(zombie.commit().is_err());
    send(&mut owner, &topic, 200, 300);
    owner.commit().unwrap();
    assert_eq!(committed(&topic), numbers(0, 300));
}

#[test]
fn what_can_never_be_written_is_said_at_once() {
    let soon = [("topic.metadata.propagation.max.ms", "500")];
    let mut writer = open(&fresh("writer"), &soon);
    let absent = fresh("absent");
    let record = |value| Record {
        topic: &absent,
        partition: Some(0),
        key: None,
        value: Some(value),
        headers: None,
        timestamp_ms: None,
    };
    let mut batch = Batch::default();
    batch.push(&record(b"x"));
    let done = writer.send(batch).and_then(|()| writer.commit());
    assert!(done.unwrap_err().to_string().contains(&absent));

    let topic = topic("large");
    let mut plain = Producer::open(&settings(&[]), 5).unwrap();
    let large = vec![b'x'; 2 << 20];
    let error = plain.send(&Record { topic: &topic, ..record(&large) }).unwrap_err();
    assert!(error.to_string().contains(&topic), "{error}");
}

#[test]
fn a_producer_counts_what_was_acknowledged() {
    let topic = topic("plain");
    let mut producer = Producer::open(&settings(&[]), 5).unwrap();
    for number in 0..5_000 {
        let text = number.to_string();
        let (key, value) = (Some(text.as_bytes()), (number % 10 != 9).then_some(text.as_bytes()));
        let (partition, headers, timestamp_ms) = (Some(0), None, None);
        let record = Record { topic: &topic, partition, key, value, headers, timestamp_ms };
        producer.send(&record).unwrap();
    }
    while !producer.flush(Duration::from_secs(1)).unwrap() {}
    assert_eq!(producer.sent().records, 5_000);
    assert_eq!(producer.sent().acknowledged, 5_000);
    assert_eq!(committed(&topic), numbers(0, 5_000));
}

#[test]
fn a_wait_for_brokers_can_be_stopped() {
    let nobody = kafka::Settings::new("127.0.0.1:1", Default::default()).unwrap();
    let stop = Arc::new(AtomicBool::new(true));
    let error = Transactions::open(&nobody, &fresh("writer"), stop).err().unwrap();
    assert!(error.to_string().contains("stopped while waiting"), "{error}");
}

#[test]
fn topics_are_made_once_and_left_as_they_are() {
    let topics = Topics::open(&settings(&[])).unwrap();
    let plan = |partitions, policy: &str| TopicPlan {
        name: String::new(),
        partitions,
        replication: 1,
        config: vec![("cleanup.policy", policy.to_owned())],
    };
    let name = fresh("made");
    let mut first = plan(3, "compact,delete");
    first.name = name.clone();
    assert_eq!(topics.ensure(&[first]).unwrap()[&name].partitions, 3);
    let mut second = plan(5, "delete");
    second.name = name.clone();
    assert_eq!(topics.ensure(&[second]).unwrap()[&name].partitions, 3);
    let policy = &topics.configs(&[&name]).unwrap()[&name]["cleanup.policy"];
    assert_eq!(policy, "compact,delete");
}
