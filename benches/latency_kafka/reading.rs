//! Who listens: a bare consumer of the trades, a subscriber of the live view, a reader of committed bars.

use super::course::{Course, SYMBOLS, Trades};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WAIT: Duration = Duration::from_secs(10);
/// Between two looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);
/// How long nothing may come before a subscriber has heard all.
const QUIET: Duration = Duration::from_secs(2);

/// A consumer of all partitions of a topic from their ends on.
pub fn at_end(config: &ClientConfig, topic: &str) -> BaseConsumer {
    let mut config = config.clone();
    config.set("group.id", "latency").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).expect("metadata");
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (_, end) = consumer.fetch_watermarks(topic, partition.id(), WAIT).expect("an end");
        list.add_partition_offset(topic, partition.id(), Offset::Offset(end)).expect("an offset");
    }
    consumer.assign(&list).expect("an assignment");
    consumer
}

/// The whole number behind `name` in a line of JSON.
fn number_of(line: &[u8], name: &str) -> i64 {
    let at = line.windows(name.len()).position(|part| part == name.as_bytes()).expect("the name");
    let digits = line[at + name.len()..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))
}

/// When a bare consumer had each trade.
pub fn consume(consumer: &BaseConsumer, course: Course, ended: &AtomicBool) -> Trades {
    let mut trades = Trades::new(&course);
    while !ended.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(LOOK) else { continue };
        let at_ns = course.now_ns();
        let message = message.expect("a message");
        let ts_event = number_of(message.payload().expect("a value"), "\"ts_event\":");
        trades.note(course.number(ts_event), at_ns);
    }
    trades
}

/// A subscriber of the live view, which has heard what was known.
pub fn subscribe(address: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("a live view");
    stream.set_read_timeout(Some(QUIET)).expect("a socket");
    write!(stream, "GET /live HTTP/1.0\r\n\r\n").expect("a socket");
    let (mut from, mut head) = (BufReader::with_capacity(1 << 18, stream), String::new());
    while !head.ends_with("\r\n\r\n") {
        assert!(from.read_line(&mut head).expect("an answer") > 0, "{head}");
    }
    assert!(head.contains(" 200 "), "{head}");
    from
}

/// When the live view showed each trade, or a newer one of its symbol.
pub fn live(mut from: BufReader<TcpStream>, course: Course) -> Trades {
    let (mut trades, mut line) = (Trades::new(&course), Vec::new());
    let mut next: Vec<u64> = (0..SYMBOLS).collect();
    let mut heard = false;
    loop {
        line.clear();
        match from.read_until(b'\n', &mut line) {
            Ok(0) => return trades,
            Ok(_) => {}
            Err(_) if !heard => continue,
            Err(_) => return trades,
        }
        let at_ns = course.now_ns();
        let symbol = number_of(&line, "\"symbol\":\"S");
        let newest = course.number(number_of(&line, "\"ts_event\":"));
        heard = true;
        let own = &mut next[symbol as usize];
        while *own <= newest {
            trades.note(*own, at_ns);
            *own += SYMBOLS;
        }
    }
}

/// Milliseconds from the trade that completes a bar, as the plan has it sent, to the bar's first record.
pub fn bars(consumer: &BaseConsumer, course: Course, ended: &AtomicBool) -> Vec<f64> {
    let (mut known, mut late) = (BTreeSet::new(), Vec::new());
    while !ended.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(LOOK) else { continue };
        let at_ns = course.now_ns();
        let message = message.expect("a message");
        let (key, value) = (message.key().expect("a key"), message.payload().expect("a value"));
        let complete = course.completes_ns(number_of(value, "\"ts_close\":"));
        if let Some(complete) = complete
            && known.insert(key.to_vec())
        {
            late.push((at_ns - complete) as f64 / 1e6);
        }
    }
    late
}
