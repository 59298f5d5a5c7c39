//! Topics of a real broker as feeds: what is delivered depends on the log alone, nothing in it is lost, and reading goes
//! on behind any record.

use kafka::{Headers, Producer, Record, trial};
use market::{Offset, PartitionError, Symbols, Time};
use sources::{
    Begin, Codec, Control, Decoded, Fed, Feed, KafkaSource, KafkaSourceError, KafkaStart,
    LayoutOptions, LogPart, TopicName, recall, resume_at,
};
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(30);

fn source(topics: &[&str]) -> KafkaSource {
    KafkaSource {
        settings: trial::settings(),
        topics: topics.iter().map(|topic| TopicName::parse(topic).unwrap()).collect(),
        codec: Codec::Json,
        layout: LayoutOptions::default(),
        control: String::new(),
    }
}

/// Writes values (none is a tombstone) with this schema, the first one at `first_ms` and each a second after.
fn write(topic: &str, partition: i32, values: &[Option<Vec<u8>>], schema: &str, first_ms: i64) {
    let mut producer = Producer::open(&trial::settings(), 5).unwrap();
    let headers = Headers::of(&[("schema", schema)]);
    for (index, value) in values.iter().enumerate() {
        let record = Record {
            topic,
            partition: Some(partition),
            key: Some(b"AAA"),
            value: value.as_deref(),
            headers: (!schema.is_empty()).then_some(&headers),
            timestamp_ms: Some(first_ms + 1_000 * index as i64),
        };
        producer.send(&record).unwrap();
    }
    assert!(producer.flush(WAIT).unwrap());
}

fn trade(number: u64) -> String {
    format!(r#"{{"symbol":"AAA","ts_event":{},"price":{}.5,"size":1}}"#, 1_000 + number, number + 1)
}

/// A message of so many trades: one stands alone, others in a list.
fn message(first: u64, trades: u64) -> Option<Vec<u8>> {
    let list: Vec<String> = (first..first + trades).map(trade).collect();
    Some(if trades == 1 { list[0].clone() } else { format!("[{}]", list.join(",")) }.into_bytes())
}

/// Every record of a feed, by position: a trade with its price, what is none with its reason, a heartbeat.
fn read(feed: &mut dyn Feed, recycle: bool) -> Vec<(Offset, String)> {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    feed.wake_by(Arc::new(move || tell.lock().unwrap().send(()).unwrap_or_default()));
    let mut records = Vec::new();
    loop {
        match feed.poll().unwrap() {
            Fed::End => return records,
            Fed::Pending => {
                told.recv_timeout(WAIT).expect("a feed that is pending calls its waker")
            }
            Fed::Batch(batch) => {
                assert!(records.last().is_none_or(|(last, _)| *last < first(&batch)));
                let end = batch.end.expect("a batch of a topic says how far it was read");
                records.extend(in_order(&batch));
                assert!(records.last().is_none_or(|(last, _)| *last <= end));
                if recycle {
                    feed.recycle(batch);
                }
            }
        }
    }
}

fn first(batch: &Decoded) -> Offset {
    batch.arrived[0].0
}

fn in_order(batch: &Decoded) -> Vec<(Offset, String)> {
    let trades = &batch.trades;
    let rows =
        (0..trades.len()).map(|row| (trades.offset[row], trades.price[row].raw().to_string()));
    let undecoded = batch.undecoded.iter().map(|record| {
        assert!(trades.offset[..record.before_row as usize].iter().all(|o| *o < record.offset));
        (record.offset, format!("{} {:?}", record.reason, record.raw))
    });
    let beats = batch.heartbeats.iter().map(|beat| (beat.offset, format!("at {}", beat.time.ns())));
    let mut all: Vec<_> = rows.chain(undecoded).chain(beats).collect();
    all.sort();
    all
}

fn open(source: &KafkaSource, part: LogPart) -> Result<Box<dyn Feed>, PartitionError> {
    let opener = source.open(&[part], None, &Symbols::default()).unwrap().pop().unwrap();
    opener(Begin::default())
}

/// What partition 0 of a topic holds from `start` on up to now.
fn read_from(topic: &str, start: u64, recycle: bool) -> Vec<(Offset, String)> {
    let source = source(&[topic]);
    let mut parts = source.resolve(KafkaStart::Earliest).unwrap();
    source.end_now(&mut parts).unwrap();
    read(&mut *open(&source, LogPart { start, ..parts[0].clone() }).unwrap(), recycle)
}

#[test]
fn nothing_is_lost_of_a_topic_that_holds_everything() {
    let topic = trial::topic("mixed", 1);
    let values = [
        message(0, 1),
        message(1, 3),
        None,
        Some(Vec::new()),
        Some(b"{\"symbol\":\"AAA\"".to_vec()),
        Some(vec![0xff, 0, 1]),
        Some(b"{\"heartbeat\":77}".to_vec()),
        Some(format!("[{},5,{}]", trade(4), trade(5)).into_bytes()),
        message(6, 1),
    ];
    write(&topic, 0, &values, "", 0);
    write(&topic, 0, &[message(9, 1)], "quote/1", 0);
    write(&topic, 0, &[message(7, 2)], "trade/1", 0);
    let records = read_from(&topic, 0, true);
    let at = |offset, index| Offset::in_message(offset, index);
    let price = |number: u64| format!("{}", number * 1_000_000_000 + 1_500_000_000);
    let undecoded = |reason: &str, raw: &str| format!("{reason} {raw:?}");
    let wanted = [
        (at(0, 0), price(0)),
        (at(1, 0), price(1)),
        (at(1, 1), price(2)),
        (at(1, 2), price(3)),
        (at(2, 0), undecoded("missing", "")),
        (at(3, 0), undecoded("missing", "")),
        (at(4, 0), undecoded("malformed", "{\"symbol\":\"AAA\"")),
        (at(5, 0), undecoded("malformed", "\\xff\\x00\\x01")),
        (at(6, 0), "at 77".to_owned()),
        (at(7, 0), price(4)),
        (at(7, 1), undecoded("malformed", "5")),
        (at(7, 2), price(5)),
        (at(8, 0), price(6)),
        (at(9, 0), undecoded("malformed", &trade(9))),
        (at(10, 0), price(7)),
        (at(10, 1), price(8)),
    ];
    assert_eq!(records, wanted);
}

#[test]
fn what_is_delivered_depends_on_the_log_alone_and_goes_on_behind_any_record() {
    let topic = trial::topic("laws", 1);
    let source = source(&[&topic]);
    let mut parts = source.resolve(KafkaStart::Latest).unwrap();
    let sizes = [1u64, 1, 40, 3, 700, 1, 25];
    let mut values = Vec::new();
    let mut trades = 0;
    for size in sizes.iter().cycle().take(700) {
        values.push(if trades % 11 == 5 { None } else { message(trades, *size) });
        trades += size;
    }
    // Read while it is written, and once it is there.
    parts[0].end = Some(values.len() as u64);
    let mut live = open(&source, parts[0].clone()).unwrap();
    assert!(matches!(live.poll().unwrap(), Fed::Pending));
    for some in values.chunks(97) {
        write(&topic, 0, some, "", 0);
    }
    let live = read(&mut *live, false);
    let whole = read_from(&topic, 0, true);
    assert!(whole.len() > 50_000, "{}", whole.len());
    assert_eq!(live, whole);
    for behind in (0..whole.len()).step_by(whole.len() / 9) {
        let (after, _) = whole[behind];
        let mut rest = read_from(&topic, resume_at(after).unwrap(), true);
        rest.retain(|(offset, _)| *offset > after);
        assert_eq!(rest, whole[behind + 1..], "behind {:?}", after.message());
    }
    // A message that was read to its end is not read again.
    assert_eq!(resume_at(Offset::in_message(7, Offset::INDEX_MAX)), Some(8));
    assert_eq!(resume_at(Offset::in_message(7, 1 << 18)), Some(7));
    assert_eq!(resume_at(Offset::in_file(0, 7)), None);
}

#[test]
fn topics_and_patterns_become_partitions_sorted_by_bytes() {
    let word = trial::fresh("many");
    let names: Vec<String> = ["b", "a", "Z"].iter().map(|end| format!("{word}.{end}")).collect();
    trial::make(&names[0], 1);
    trial::make(&names[1], 2);
    trial::make(&names[2], 1);
    write(&names[1], 1, &[message(0, 1), message(1, 1), message(2, 1)], "", 5_000);
    let shown = |topics: &[&str], start: KafkaStart| -> Vec<String> {
        let parts = source(topics).resolve(start).unwrap();
        parts.iter().map(|part| format!("{} {}", part.name(), part.start)).collect()
    };
    let all = |third: u64| {
        let [b, a, z] = &names[..] else { panic!("three names") };
        vec![format!("{z}/0 0"), format!("{a}/0 0"), format!("{a}/1 {third}"), format!("{b}/0 0")]
    };
    let pattern = format!("^{}\\..$", word.replace('.', "\\."));
    assert_eq!(shown(&[&pattern], KafkaStart::Earliest), all(0));
    assert_eq!(shown(&[&names[0], &pattern], KafkaStart::Latest), all(3));
    let at = |ms: i64| KafkaStart::At(Time::from_ns(ms * 1_000_000));
    assert_eq!(shown(&[&pattern], at(6_000)), all(1));
    assert_eq!(shown(&[&pattern], at(7_001)), all(3));

    for topics in [&["^nothing.begins.so"][..], &["no-such-topic"]] {
        let error = source(topics).resolve(KafkaStart::Earliest).unwrap_err();
        assert_eq!(error, KafkaSourceError::NoTopic(topics[0].to_owned()));
    }
    let decided = KafkaSource { control: names[0].clone(), ..source(&[&pattern]) };
    assert!(!decided.names().unwrap().contains(&names[0]), "a pattern matches the control topic");
}

#[test]
fn what_is_not_kept_any_more_is_named_and_left_out_only_when_asked() {
    let topic = trial::topic("gaps", 1);
    let values: Vec<_> = (0..10).map(|number| message(number, 1)).collect();
    write(&topic, 0, &values, "", 0);
    let source = source(&[&topic]);
    let mut parts = source.resolve(KafkaStart::Earliest).unwrap();
    parts[0].start = 3;
    assert_eq!(source.mend(&mut parts, false).unwrap(), []);
    trial::delete_before(&(topic.clone(), 0), 6).unwrap();
    let error = source.mend(&mut parts, false).unwrap_err().to_string();
    let wanted = format!("{topic}/0: offsets 3 to 5 are not kept any more, the first is 6");
    assert_eq!(error, format!("{wanted}; --accept-gap goes on behind it"));
    // A reader that was overtaken stops as well.
    let mut feed = open(&source, parts[0].clone()).unwrap();
    let error = loop {
        match feed.poll() {
            Ok(fed) => assert!(matches!(fed, Fed::Pending), "{fed:?}"),
            Err(error) => break error.what,
        }
    };
    assert!(error.contains(&topic) && error.contains("--accept-gap"), "{error}");
    let gaps = source.mend(&mut parts, true).unwrap();
    assert_eq!((gaps[0].from, gaps[0].to, gaps[0].anew, parts[0].start), (3, 6, false, 6));

    parts[0].start = 10;
    assert_eq!(source.mend(&mut parts, false).unwrap(), []);
    trial::delete_topic(&topic).unwrap();
    let admin = kafka::Admin::new(&trial::settings()).unwrap();
    while admin.topic(&topic).unwrap().is_some() {}
    trial::make(&topic, 1);
    let error = source.mend(&mut parts, false).unwrap_err().to_string();
    assert!(error.contains("made anew") && error.contains("offset 10"), "{error}");
    let gaps = source.mend(&mut parts, true).unwrap();
    assert_eq!((gaps.len(), gaps[0].anew, parts[0].start), (1, true, 0));
    assert_eq!(source.mend(&mut parts, false).unwrap(), []);
}

/// Puts into parts what was decided of them.
fn decided(source: &KafkaSource, control: &str, parts: &mut [LogPart]) {
    let recalled = recall(&source.settings, control).unwrap();
    parts.iter_mut().for_each(|part| part.decided = recalled.of(part));
}

#[test]
fn a_quiet_partition_is_moved_on_and_later_readings_find_that_in_its_place() {
    let topic = trial::topic("quiet", 2);
    let control_topic = trial::fresh("control");
    let source = source(&[&topic]);
    write(&topic, 0, &[message(0, 2)], "", 0);
    let mut parts = source.resolve(KafkaStart::Earliest).unwrap();
    // A topic that is not there holds nothing.
    decided(&source, &control_topic, &mut parts);
    assert!(parts.iter().all(|part| part.decided.is_empty()));

    let greatest = Arc::new(AtomicI64::new(5_000));
    let writer = trial::fresh("writer");
    let after = Some(Duration::from_millis(1));
    let control =
        Control::open(&source.settings, &control_topic, &writer, after, greatest).unwrap();
    let openers = source.open(&parts, Some(Arc::new(control)), &Symbols::default()).unwrap();
    let mut feeds: Vec<_> =
        openers.into_iter().map(|open| open(Begin::default()).unwrap()).collect();
    // Records of a partition that is read until it has so many.
    let mut live = vec![Vec::new(); 2];
    let mut until = |partition: usize, many: usize| {
        while live[partition].len() < many {
            match feeds[partition].poll().unwrap() {
                Fed::Batch(batch) => live[partition].extend(in_order(&batch)),
                _ => std::thread::yield_now(),
            }
        }
        live[partition].clone()
    };
    // Two trades and two decisions; none but two decisions.
    let first = until(0, 4);
    assert!(first[2].1.starts_with("at ") && first[3].1.starts_with("at "), "{first:?}");
    until(1, 2);
    write(&topic, 0, &[message(2, 1)], "", 0);
    let price = |number: u64| format!("{}", number * 1_000_000_000 + 1_500_000_000);
    let mut many = 5;
    while !until(0, many).iter().any(|(_, text)| *text == price(2)) {
        many += 1;
    }
    let (zero, one) = (until(0, many), until(1, 2));
    drop(feeds);

    // What was decided is there again, record by record; more of it may have been.
    decided(&source, &control_topic, &mut parts);
    source.end_now(&mut parts).unwrap();
    for (part, live) in parts.iter().zip([&zero, &one]) {
        let replayed = read(&mut *open(&source, part.clone()).unwrap(), true);
        assert_eq!(replayed[..live.len()], live[..]);
        assert!(replayed.is_sorted_by_key(|(offset, _)| *offset));
    }
    // Reading goes on behind a decision as behind a record.
    let (after, _) = zero[2];
    let again = LogPart { start: resume_at(after).unwrap(), ..parts[0].clone() };
    let mut rest = read(&mut *open(&source, again).unwrap(), true);
    rest.retain(|(offset, _)| *offset > after);
    assert_eq!(rest[..zero.len() - 3], zero[3..]);
}
