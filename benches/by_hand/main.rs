//! What one would write by hand around librdkafka: a consumer that decodes ticks, a transactional producer of rows.
//!
//! ```text
//! bare_kafka BROKERS CODEC TICKS ROWS OUT      CODEC: one, array or arrow
//! ```
//! Reads the topic TICKS to its end, decoding each message into columns; then writes what the topics named in ROWS
//! (with commas) hold, headers included, into topics of as many partitions whose names begin with OUT, in
//! transactions. Reading those rows is not measured. Prints what it took as JSON.

#![expect(
    clippy::disallowed_methods,
    reason = "a bench measures time, and its reference is what one would write"
)]

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampNanosecondType};
use arrow_ipc::reader::StreamReader;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(10);
/// Rows of a transaction: a commit takes tens of milliseconds.
const TRANSACTION_ROWS: usize = 100_000;

/// Ticks as columns.
#[derive(Default)]
struct Columns {
    symbol: Vec<u32>,
    ts_event: Vec<i64>,
    price: Vec<f64>,
    size: Vec<f64>,
    /// Symbols so far, by their number.
    symbols: HashMap<String, u32>,
    rows: u64,
}

#[derive(Deserialize)]
struct Tick<'a> {
    symbol: &'a str,
    ts_event: i64,
    price: f64,
    size: f64,
}

impl Columns {
    fn number(&mut self, symbol: &str) -> u32 {
        if let Some(number) = self.symbols.get(symbol) {
            return *number;
        }
        let number = self.symbols.len() as u32;
        self.symbols.insert(symbol.to_owned(), number);
        number
    }

    fn push(&mut self, tick: &Tick<'_>) {
        let symbol = self.number(tick.symbol);
        self.symbol.push(symbol);
        self.ts_event.push(tick.ts_event);
        self.price.push(tick.price);
        self.size.push(tick.size);
    }

    /// Decodes a message; heartbeats and what is no tick only take their time.
    fn decode(&mut self, codec: &str, value: &[u8]) {
        match codec {
            "one" => {
                if let Ok(tick) = serde_json::from_slice::<Tick<'_>>(value) {
                    self.push(&tick);
                }
            }
            "array" => {
                if let Ok(ticks) = serde_json::from_slice::<Vec<Tick<'_>>>(value) {
                    ticks.iter().for_each(|tick| self.push(tick));
                }
            }
            _ => self.decode_arrow(value),
        }
        // A batch is used, and its buffers again.
        if self.symbol.len() >= 16_384 {
            self.rows += self.symbol.len() as u64;
            self.clear();
        }
    }

    fn decode_arrow(&mut self, value: &[u8]) {
        let Ok(reader) = StreamReader::try_new(value, None) else { return };
        for batch in reader.flatten() {
            let column =
                |name: &str| batch.column_by_name(name).expect("a column of ticks").clone();
            let symbols = column("symbol");
            let numbers: Vec<u32> = match symbols.as_string_opt::<i32>() {
                Some(texts) => texts.iter().flatten().map(|text| self.number(text)).collect(),
                None => {
                    let symbols = symbols.as_any_dictionary();
                    let texts = symbols.values().as_string::<i32>();
                    let all: Vec<u32> =
                        texts.iter().flatten().map(|text| self.number(text)).collect();
                    symbols.normalized_keys().iter().map(|&key| all[key]).collect()
                }
            };
            self.symbol.extend(numbers);
            let times = column("ts_event");
            match times.as_primitive_opt::<TimestampNanosecondType>() {
                Some(times) => self.ts_event.extend(times.values()),
                None => self.ts_event.extend(times.as_primitive::<Int64Type>().values()),
            }
            self.price.extend(floats(&column("price")));
            self.size.extend(floats(&column("size")));
        }
    }

    fn clear(&mut self) {
        std::hint::black_box(&self.price);
        self.symbol.clear();
        self.ts_event.clear();
        self.price.clear();
        self.size.clear();
    }
}

/// Decimals as doubles.
fn floats(column: &ArrayRef) -> impl Iterator<Item = f64> {
    let decimals = column.as_primitive::<Decimal128Type>();
    let unit = 10f64.powi(-i32::from(decimals.scale()));
    decimals.values().iter().map(move |&value| value as f64 * unit)
}

fn cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// All partitions of a topic from the start, and how many end events to wait for.
fn consumer(brokers: &str, topic: &str) -> (BaseConsumer, usize) {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare")
        .set("enable.auto.commit", "false");
    config.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).expect("metadata");
    let partitions = metadata.topics()[0].partitions().len();
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition as i32, Offset::Beginning).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    (consumer, partitions)
}

/// Hands every message of a topic over, up to the end.
fn read(brokers: &str, topic: &str, mut each: impl FnMut(&BorrowedMessage<'_>)) {
    let (consumer, mut open) = consumer(brokers, topic);
    while open > 0 {
        match consumer.poll(WAIT).expect("a message or an end") {
            Ok(message) => each(&message),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
}

/// A row as it stands in a topic.
struct Row {
    topic: usize,
    key: Vec<u8>,
    value: Vec<u8>,
    headers: Option<OwnedHeaders>,
}

fn write(brokers: &str, topics: &[String], rows: &[Row]) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("transactional.id", "bare");
    config
        .set("compression.type", "zstd")
        .set("linger.ms", "5")
        .set("queue.buffering.max.messages", "1000000");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().expect("a producer");
    producer.init_transactions(WAIT).expect("a producer's id");
    for some in rows.chunks(TRANSACTION_ROWS) {
        producer.begin_transaction().expect("a transaction");
        for row in some {
            let mut record = BaseRecord::to(&topics[row.topic]).key(&row.key).payload(&row.value);
            record.headers.clone_from(&row.headers);
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(
                    error.rdkafka_error_code(),
                    Some(RDKafkaErrorCode::QueueFull),
                    "{error}"
                );
                std::thread::sleep(Duration::from_millis(1));
                record = back;
            }
        }
        producer.commit_transaction(WAIT).expect("a commit");
    }
}

/// Makes a topic of as many partitions as another has.
fn twin(brokers: &str, of: &str, name: &str) {
    let settings = kafka::Settings::new(brokers, BTreeMap::new()).expect("settings");
    let topics = kafka::Topics::open(&settings).expect("settings that go together");
    let partitions = topics.list().expect("the topics")[of].partitions;
    let (name, config) = (name.to_owned(), Vec::new());
    let plan = kafka::TopicPlan { name, partitions, replication: 1, config };
    topics.ensure(&[plan]).expect("a topic");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [brokers, codec, ticks, rows, out] = &args[..] else {
        // Built by a test of everything: nothing to do.
        println!("usage: bare_kafka BROKERS CODEC TICKS ROWS OUT");
        return;
    };
    let (mut all, mut twins) = (Vec::new(), Vec::new());
    for (topic, name) in rows.split(',').enumerate() {
        read(brokers, name, |message| {
            let bytes = |of: Option<&[u8]>| of.unwrap_or_default().to_vec();
            let headers = message.headers().map(|headers| headers.detach());
            let (key, value) = (bytes(message.key()), bytes(message.payload()));
            all.push(Row { topic, key, value, headers });
        });
        twins.push(format!("{out}-{topic}"));
        twin(brokers, name, &twins[topic]);
    }
    let (began, before) = (Instant::now(), cpu_s());
    let mut columns = Columns::default();
    read(brokers, ticks, |message| columns.decode(codec, message.payload().unwrap_or_default()));
    let (read_s, decoded) = (cpu_s() - before, columns.rows + columns.symbol.len() as u64);
    write(brokers, &twins, &all);
    let (cpu, wall) = (cpu_s() - before, began.elapsed().as_secs_f64());
    println!(
        r#"{{"cpu": {cpu}, "wall": {wall}, "read_cpu": {read_s}, "ticks": {decoded}, "rows": {}}}"#,
        all.len()
    );
}
