//! Reading and asking, against a real broker.

use kafka::{Admin, Arrived, Bounds, Consumer, Group, PartitionReader, trial};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(20);

fn producer(more: &[(&str, &str)]) -> BaseProducer {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", trial::brokers());
    more.iter().for_each(|(name, value)| {
        config.set(*name, *value);
    });
    config.create().expect("a producer")
}

fn send(producer: &BaseProducer, topic: &str, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let (key, value) = (format!("k{number}"), format!("value {number}"));
        let record = BaseRecord::to(topic).partition(0).timestamp(1_000 + number as i64);
        producer.send(record.key(&key).payload(&value)).expect("room in the queue");
    }
    producer.flush(WAIT).expect("all are written");
}

/// Everything up to `end`, as text.
fn read_to(reader: &mut PartitionReader, end: u64) -> Vec<String> {
    let mut texts = Vec::new();
    loop {
        let mut next = 0;
        let arrived = reader.poll(WAIT, |message| {
            next = message.offset() + 1;
            let text = |bytes: Option<&[u8]>| {
                bytes.map_or("-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            let (key, value) = (text(message.key()), text(message.payload()));
            let (at, schema) = (message.timestamp_ms(), text(message.header(c"schema")));
            texts.push(format!("{} {key} {value} {} {schema}", message.offset(), at.unwrap_or(-1)));
        });
        let arrived = arrived.expect("a partition that can be read");
        assert_ne!(arrived, Arrived::default(), "nothing came; so far: {texts:?}");
        if next.max(arrived.end.unwrap_or(0)) >= end {
            return texts;
        }
    }
}

#[test]
fn messages_come_in_order_from_any_offset_with_all_they_carry() {
    let topic = trial::topic("reading", 1);
    let producer = producer(&[]);
    send(&producer, &topic, 0..5_000);
    let with_header = OwnedHeaders::new().insert(Header { key: "schema", value: Some("trade/1") });
    let record = BaseRecord::<str, str>::to(&topic).partition(0).timestamp(7).headers(with_header);
    producer.send(record).expect("room in the queue");
    producer.flush(WAIT).expect("all are written");

    let mut wanted: Vec<String> =
        (0..5_000).map(|n| format!("{n} k{n} value {n} {} -", 1_000 + n)).collect();
    wanted.push("5000 - - 7 trade/1".to_owned());
    let consumer = Consumer::new(&trial::settings()).unwrap();
    for from in [0, 1, 4_999, 5_000] {
        let mut reader = consumer.read(&topic, 0, from).unwrap();
        assert_eq!(read_to(&mut reader, 5_001), wanted[from as usize..], "from {from}");
    }
    // At the end it waits, and goes on.
    let mut reader = consumer.read(&topic, 0, 5_001).unwrap();
    let arrived = reader.poll(WAIT, |_| panic!("there is nothing yet")).unwrap();
    assert_eq!(arrived, Arrived { messages: 0, end: Some(5_001) });
    send(&producer, &topic, 1..2);
    assert_eq!(read_to(&mut reader, 5_002), ["5001 k1 value 1 1001 -"]);
}

#[test]
fn what_was_aborted_is_not_read_and_does_not_hold_up_the_end() {
    let topic = trial::topic("aborted", 1);
    let producer = producer(&[("transactional.id", &trial::fresh("writer"))]);
    producer.init_transactions(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 0..3);
    producer.commit_transaction(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    send(&producer, &topic, 3..6);
    let bounds = || {
        let admin = Admin::new(&trial::settings()).unwrap();
        admin.bounds(&[(topic.clone(), 0)]).unwrap()
    };
    // Three records and the mark of the commit; what is not decided is behind the end.
    assert_eq!(bounds(), [Bounds { first: 0, end: 4 }]);
    producer.abort_transaction(WAIT).unwrap();
    assert_eq!(bounds(), [Bounds { first: 0, end: 8 }]);
    let consumer = Consumer::new(&trial::settings()).unwrap();
    let mut reader = consumer.read(&topic, 0, 0).unwrap();
    let read = read_to(&mut reader, 8);
    assert_eq!(read.len(), 3, "{read:?}");
    assert!(read[2].starts_with("2 k2"), "{read:?}");
}

#[test]
fn partitions_tell_where_they_begin_and_end_and_what_lay_where() {
    let topic = trial::topic("bounds", 2);
    send(&producer(&[]), &topic, 0..10);
    let admin = Admin::new(&trial::settings()).unwrap();
    let both = [(topic.clone(), 1), (topic.clone(), 0)];
    let full = Bounds { first: 0, end: 10 };
    assert_eq!(admin.bounds(&both).unwrap(), [Bounds { first: 0, end: 0 }, full]);
    assert_eq!(admin.offsets_at(&both, 1_004).unwrap(), [None, Some(4)]);
    assert_eq!(admin.offsets_at(&both, 0).unwrap(), [None, Some(0)]);
    assert_eq!(admin.offsets_at(&both, 1_010).unwrap(), [None, None]);
    trial::delete_before(&both[1], 4).unwrap();
    assert_eq!(admin.bounds(&both[1..]).unwrap(), [Bounds { first: 4, end: 10 }]);
    // An offset that is gone is an error, not a jump.
    let consumer = Consumer::new(&trial::settings()).unwrap();
    let mut reader = consumer.read(&topic, 0, 2).unwrap();
    let error = (0..3).find_map(|_| reader.poll(WAIT, |_| panic!("it is gone")).err());
    let error = error.expect("an error").what;
    assert!(error.contains(&topic) && error.contains("offset 2"), "{error}");
}

#[test]
fn a_group_says_how_far_it_read() {
    let topic = trial::topic("group", 2);
    let group = Group::new(&trial::settings(), &trial::fresh("group")).unwrap();
    let both = [(topic.clone(), 1), (topic.clone(), 0)];
    assert_eq!(group.committed(&both).unwrap(), [None, None]);
    group.commit(&[(both[0].clone(), 7)]).unwrap();
    group.commit(&[(both[0].clone(), 9)]).unwrap();
    assert_eq!(group.committed(&both).unwrap(), [Some(9), None]);
}

#[test]
fn a_topic_made_anew_has_another_id() {
    let admin = Admin::new(&trial::settings()).unwrap();
    let name = trial::fresh("made");
    assert_eq!(admin.topic(&name).unwrap(), None);
    trial::make(&name, 3);
    let first = admin.topic(&name).unwrap().expect("a topic");
    assert_eq!((first.partitions, first.id.len()), (3, 22));
    trial::delete_topic(&name).unwrap();
    while admin.topic(&name).unwrap().is_some() {}
    trial::make(&name, 3);
    assert_ne!(admin.topic(&name).unwrap().expect("a topic").id, first.id);
}
