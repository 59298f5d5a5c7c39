//! The Kafka sink against a broker: what readers of committed records see is what was written, each change
//! once and in order, whatever was killed in between.

#[allow(dead_code, reason = "the other half serves the sinks of a folder")]
mod log;

use kafka::read_committed;
use kafka::trial::{fresh, settings};
use log::{Op, log, operations};
use market::{Change, Rows, Sink, TableSpec};
use proptest::prelude::*;
use sinks::{KafkaOptions, KafkaSink, topic_of};
use std::collections::BTreeMap;

const PARTITIONS: u32 = 2;

fn options(place: &str) -> KafkaOptions {
    KafkaOptions {
        settings: settings(),
        deployment: place.to_owned(),
        name: "kafka".to_owned(),
        lineage: "L".to_owned(),
        generation: 1,
        writers: vec![0],
        prefix: format!("{place}."),
        partitions: PARTITIONS.cast_signed(),
        replication: None,
        retention_ms: -1,
        widths: ["1min", "session"].map(|width| width.parse().unwrap()).to_vec(),
        stop: Default::default(),
    }
}

fn tables() -> Vec<TableSpec> {
    vec![TableSpec::bars(), TableSpec::floats("technical_indicators", &["sma_2".to_owned()])]
}

fn open(place: &str) -> KafkaSink {
    KafkaSink::open(options(place), &tables()).unwrap()
}

fn apply(sink: &mut KafkaSink, operations: &[Op]) {
    operations.iter().for_each(|operation| operation.apply(sink));
}

/// The committed records by topic and partition, as lines.
type Written = BTreeMap<(String, u32), Vec<String>>;

fn topics(place: &str) -> Vec<String> {
    let name =
        |table: &str, width: &str| topic_of(&format!("{place}."), table, width.parse().unwrap());
    let bars = ["1min", "session"].map(|width| name("aggregated_data", width));
    let others = [name("technical_indicators", "1min"), format!("{place}.dead_letter")];
    bars.into_iter().chain(others).collect()
}

fn written(place: &str) -> Written {
    let mut all = Written::new();
    for topic in topics(place) {
        for partition in 0..PARTITIONS {
            let lines = all.entry((topic.clone(), partition)).or_default();
            read_committed(&settings(), &topic, partition, |key, value| {
                let text = |bytes: Option<&[u8]>| {
                    String::from_utf8(bytes.unwrap_or(b"-").to_vec()).unwrap()
                };
                lines.push(format!("{} {}", text(key), text(value)));
            })
            .unwrap();
        }
    }
    all
}

/// What a run that nothing stopped leaves.
fn clean(log: &[log::Change], cuts: u64) -> Written {
    let place = fresh("clean");
    apply(&mut open(&place), &operations(log, cuts));
    renamed(written(&place), &place)
}

fn renamed(written: Written, place: &str) -> Written {
    let plain = |topic: String| topic.strip_prefix(place).unwrap().to_owned();
    written.into_iter().map(|((topic, at), lines)| ((plain(topic), at), lines)).collect()
}

/// The rows of a log as the contract writes them, in order, by topic; one that was removed has no value.
fn expected(operations: &[Op]) -> BTreeMap<String, Vec<String>> {
    let mut topics: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for operation in operations {
        let Op::Rows(rows) = operation else { continue };
        for row in 0..rows.len() {
            let topic = topic_of(".", &rows.table.name, rows.keys[row].width);
            topics.entry(topic).or_default().push(line(rows, row));
        }
    }
    topics
}

fn line(rows: &Rows, row: usize) -> String {
    let key = rows.keys[row];
    let symbol = serde_json::Value::from(&*rows.symbols.text(key.symbol));
    let (width, ts_open) = (key.width, key.ts_open.ns());
    let seq = if key.seq == 0 { String::new() } else { format!(",\"seq\":{}", key.seq) };
    let identity = format!("\"symbol\":{symbol},\"width\":\"{width}\",\"ts_open\":{ts_open}{seq}");
    if key.is_removed() {
        return format!("{{{identity}}} -");
    }
    let mut values = String::new();
    for (column, spec) in rows.table.columns.iter().enumerate() {
        let text = match rows.cell(row, column) {
            market::Cell::Null => "null".to_owned(),
            market::Cell::Integer(value) => value.to_string(),
            market::Cell::Decimal(value) => value.to_string(),
            market::Cell::Float(value) => format!("{value:?}"),
            market::Cell::Time(value) => value.ns().to_string(),
        };
        values += &format!(",\"{}\":{text}", spec.name);
    }
    format!("{{{identity}}} {{{identity}{values},\"revision\":{}}}", key.revision)
}

/// By the key, lines in order.
fn by_key(lines: impl IntoIterator<Item = String>) -> BTreeMap<String, Vec<String>> {
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines {
        keys.entry(line.split(' ').next().unwrap().to_owned()).or_default().push(line);
    }
    keys
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_is_what_was_written(log in log(), cuts: u64) {
        let written = clean(&log, cuts);
        for (topic, lines) in expected(&operations(&log, cuts)) {
            let read = written.iter().filter(|((name, _), _)| *name == topic);
            let read: Vec<_> = read.flat_map(|(_, lines)| lines.clone()).collect();
            prop_assert_eq!(by_key(read), by_key(lines));
        }
        let letters: usize = operations(&log, cuts).iter().map(|op| match op {
            Op::Letters(letters) => letters.len(),
            _ => 0,
        }).sum();
        let read = written.iter().filter(|((name, _), _)| name == ".dead_letter");
        prop_assert_eq!(read.map(|(_, lines)| lines.len()).sum::<usize>(), letters);
    }

    #[test]
    fn a_kill_at_any_call_leaves_what_a_clean_run_leaves(
        log in log(), cuts: [u64; 3], kills: [prop::sample::Index; 2], stops: [bool; 2],
    ) {
        let place = fresh("killed");
        let mut killed = Vec::new();
        for ((kill, cut), stop) in kills.iter().zip(&cuts[1..]).zip(stops) {
            let operations = operations(&log, *cut);
            let mut sink = open(&place);
            apply(&mut sink, &operations[..kill.index(operations.len())]);
            // A run that was stopped ends its transaction; one that was killed does not, and is still there.
            if !stop {
                killed.push(sink);
            }
        }
        apply(&mut open(&place), &operations(&log, cuts[0]));
        std::mem::forget(killed);
        prop_assert_eq!(renamed(written(&place), &place), clean(&log, cuts[0]));
    }
}

#[test]
fn an_earlier_run_that_comes_back_writes_nothing() {
    let place = fresh("zombie");
    let mut zombie = open(&place);
    apply(&mut zombie, &log::many(5, 10)[..1]);
    let mut owner = open(&place);
    apply(&mut owner, &log::many(5, 10));
    let error = zombie.flush(6).and_then(|()| zombie.sync()).unwrap_err().to_string();
    assert!(error.contains("another run has taken over"), "{error}");
    drop(zombie);
    let lines: usize = written(&place).values().map(Vec::len).sum();
    assert_eq!(lines, 20);
}

#[test]
fn marks_are_those_of_the_same_lineage_and_deployment() {
    let place = fresh("lineage");
    let marked = |options| KafkaSink::open(options, &tables()).unwrap().mark();
    apply(&mut open(&place), &log::many(5, 10));
    assert_eq!(marked(options(&place)), Some(market::Epoch::MAX));
    assert_eq!(marked(KafkaOptions { lineage: "M".to_owned(), ..options(&place) }), None);
    assert_eq!(marked(KafkaOptions { deployment: fresh("other"), ..options(&place) }), None);
    assert_eq!(marked(KafkaOptions { name: "second".to_owned(), ..options(&place) }), None);
}

#[test]
fn a_record_says_its_schema_and_epoch_and_lies_where_its_symbol_does() {
    let place = fresh("record");
    apply(&mut open(&place), &log::many(5, 3));
    let topic = &topics(&place)[0];
    let partition = market::stable_hash(b"A") % u64::from(PARTITIONS);
    let consumer = kafka::Consumer::new(&settings()).unwrap();
    let mut reader = consumer.read(topic, partition as u32, 0).unwrap();
    let mut headers = Vec::new();
    while headers.len() < 3 {
        let read = |message: kafka::Message<'_>| {
            let header = |name| String::from_utf8(message.header(name).unwrap().to_vec()).unwrap();
            headers.push((header(c"schema"), header(c"epoch")));
        };
        reader.poll(std::time::Duration::from_secs(1), read).unwrap();
    }
    assert_eq!(headers, vec![("bar/1".to_owned(), "5".to_owned()); 3]);
}

#[test]
fn a_removed_row_is_a_tombstone_where_its_row_was() {
    let place = fresh("tombstone");
    let mut rows = log::float_row(&["sma_2".to_owned()]);
    let mut sink = open(&place);
    for (epoch, change) in [(5, Change::Added), (6, Change::Removed), (8, Change::Added)] {
        (rows.keys[0].epoch, rows.keys[0].change) = (epoch, change);
        apply(&mut sink, &[Op::Rows(rows.clone()), Op::Flush(epoch + 1)]);
    }
    sink.sync().unwrap();
    let topic = format!("{place}.technical_indicators");
    let consumer = kafka::Consumer::new(&settings()).unwrap();
    let partition = market::stable_hash(b"A") % u64::from(PARTITIONS);
    let mut reader = consumer.read(&topic, partition as u32, 0).unwrap();
    let mut records = Vec::new();
    while records.len() < 3 {
        let read = |message: kafka::Message<'_>| {
            let epoch = message.header(c"epoch").unwrap().to_vec();
            records.push((message.key().unwrap().to_vec(), message.payload().is_some(), epoch));
        };
        reader.poll(std::time::Duration::from_secs(1), read).unwrap();
    }
    let key = b"{\"symbol\":\"A\",\"width\":\"1min\",\"ts_open\":0}".to_vec();
    let record = |has_value, epoch: &str| (key.clone(), has_value, epoch.as_bytes().to_vec());
    assert_eq!(records, [record(true, "5"), record(false, "6"), record(true, "8")]);
}

#[test]
fn a_topic_that_was_there_is_used_as_it_is_and_told_of() {
    let place = fresh("there");
    let name = topics(&place).remove(0);
    kafka::trial::make(&name, 1);
    let mut sink = open(&place);
    assert_eq!(sink.warnings().len(), 2, "{:?}", sink.warnings());
    assert!(sink.warnings()[0].contains(&name) && sink.warnings()[0].contains("cleanup.policy"));
    apply(&mut sink, &log::many(5, 3));
}
