//! How long a trade takes from Kafka to the live view, and the record that completes a bar to that bar's record; beside
//! what the broker itself takes: a bare consumer of the same trades, and a bare transaction of as many rows.
//!
//! ```text
//! latency_kafka make BROKERS TOPIC PARTITIONS
//! latency_kafka live BROKERS TOPIC PARTITIONS RATE SECONDS ADDRESS     the live view, at host:port
//! latency_kafka bars BROKERS TOPIC PARTITIONS RATE SECONDS BARS        bars of a second, in that topic
//! ```
//! Trades go out by a plan, one a message, acks=all. A time runs from when the plan has the trade sent, not from when it
//! was, until the first value of its symbol that is as new. One process and one clock for all of it. Prints
//! milliseconds as JSON: p50, p99, p99.9, and how many were measured.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod course;
mod reading;
mod transactions;

use course::Course;
use rdkafka::ClientConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long everything may go on to arrive after the last trade.
const AFTER: Duration = Duration::from_secs(3);

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("socket.nagle.disable", "true");
    config
}

fn make(brokers: &str, topic: &str, partitions: i32) {
    let settings = kafka::Settings::new(brokers, BTreeMap::new()).expect("settings");
    let (name, config) = (topic.to_owned(), Vec::new());
    let plan = kafka::TopicPlan { name, partitions, replication: 1, config };
    kafka::Topics::open(&settings).and_then(|topics| topics.ensure(&[plan])).expect("a topic");
}

/// Percentiles of milliseconds.
fn percentiles(mut values: Vec<f64>) -> Value {
    values.sort_by(f64::total_cmp);
    let at =
        |part: f64| values.get((values.len().saturating_sub(1) as f64 * part) as usize).copied();
    json!({"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "count": values.len()})
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let course =
        |rate, seconds, partitions| Course::new(number(rate), number(seconds), number(partitions));
    match args[..] {
        ["make", brokers, topic, partitions] => make(brokers, topic, number(partitions) as i32),
        ["live", brokers, topic, partitions, rate, seconds, address] => {
            println!("{}", live(brokers, topic, address, course(rate, seconds, partitions)));
        }
        ["bars", brokers, topic, partitions, rate, seconds, bars] => {
            println!("{}", completed(brokers, topic, bars, course(rate, seconds, partitions)));
        }
        // Built by a test of everything: nothing to do.
        _ => println!("usage: latency_kafka make|live|bars ..."),
    }
}

/// The live view beside a bare consumer of the same trades.
fn live(brokers: &str, topic: &str, address: &str, course: Course) -> Value {
    let trades = reading::at_end(&client(brokers), topic);
    let subscriber = reading::subscribe(address);
    // What comes is stamped by one clock, which begins when all listen.
    let course = course.begin();
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    let bare = std::thread::spawn(move || reading::consume(&trades, course, &end));
    let view = std::thread::spawn(move || reading::live(subscriber, course));
    let acked = course.produce(&client(brokers), topic);
    std::thread::sleep(AFTER);
    ended.store(true, Ordering::SeqCst);
    let (bare, view) = (bare.join().expect("a consumer"), view.join().expect("a subscriber"));
    json!({
        "acked": percentiles(course.since_plan(&acked)),
        "live": percentiles(course.since_plan(&view)),
        "bare_after_ack": percentiles(course.between(&acked, &bare)),
        "live_after_ack": percentiles(course.between(&acked, &view)),
        "live_after_bare": percentiles(course.between(&bare, &view)),
        "missing": view.missing(),
    })
}

/// Bars in their topic beside a bare transaction.
fn completed(brokers: &str, topic: &str, bars: &str, course: Course) -> Value {
    let mut config = client(brokers);
    config.set("isolation.level", "read_committed");
    let rows = reading::at_end(&config, bars);
    let ended = Arc::new(AtomicBool::new(false));
    let transactions = transactions::start(brokers, ended.clone());
    let (course, end) = (course.begin(), ended.clone());
    let completed = std::thread::spawn(move || reading::bars(&rows, course, &end));
    let acked = course.produce(&client(brokers), topic);
    std::thread::sleep(AFTER);
    ended.store(true, Ordering::SeqCst);
    json!({
        "acked": percentiles(course.since_plan(&acked)),
        "bar": percentiles(completed.join().expect("a consumer of bars")),
        "transaction": percentiles(transactions.join().expect("a writer")),
    })
}
