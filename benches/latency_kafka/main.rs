//! How long a trade takes from Kafka to the live view, and the record that completes a bar to that bar's record; beside
//! what the broker itself takes: a bare consumer of the same trades, and a bare transaction of as many rows.
//!
//! ```text
//! latency_kafka make BROKERS TOPIC PARTITIONS
//! latency_kafka run BROKERS TOPIC PARTITIONS RATE SECONDS LIVE BARS     LIVE: host:port; BARS: a topic of 1s bars
//! ```
//! Trades go out by a plan, one a message, acks=all. A time runs from when the plan has the trade sent, not from when it
//! was, until the first value of its symbol that is as new. One process and one clock for all of it. Prints
//! milliseconds as JSON: p50, p99, p99.9, and how many were measured.
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

mod course;
mod reading;
mod transactions;

use course::{Course, Trades};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use serde_json::{Value, json};
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
    let admin: AdminClient<DefaultClientContext> = client(brokers).create().expect("a client");
    let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let making = admin.create_topics(&[topic], &AdminOptions::new());
    let made = transactions::wait_for(making).expect("an answer");
    assert!(made.iter().all(Result::is_ok), "{made:?}");
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
    match args[..] {
        ["make", brokers, topic, partitions] => make(brokers, topic, number(partitions) as i32),
        ["run", brokers, topic, partitions, rate, seconds, live, bars] => {
            let course = Course::new(number(rate), number(seconds), number(partitions));
            println!("{}", measure(brokers, topic, live, bars, course));
        }
        // Built by a test of everything: nothing to do.
        _ => println!("usage: latency_kafka make|run ..."),
    }
}

/// Runs the plan, with everybody listening.
fn measure(brokers: &str, topic: &str, live: &str, bars: &str, course: Course) -> Value {
    let ended = Arc::new(AtomicBool::new(false));
    let at_end = |topic: &str, more: &[(&str, &str)]| {
        let mut config = client(brokers);
        more.iter().for_each(|(name, value)| {
            config.set(*name, *value);
        });
        reading::at_end(&config, topic)
    };
    let trades = at_end(topic, &[]);
    let rows = at_end(bars, &[("isolation.level", "read_committed")]);
    let subscriber = reading::subscribe(live);
    let commits = transactions::start(brokers, ended.clone());
    // What comes is stamped by one clock, which begins when all listen.
    let course = course.begin();
    let start = |read: Box<dyn FnOnce() -> Trades + Send>| std::thread::spawn(read);
    let (end, plan) = (ended.clone(), course);
    let bare = start(Box::new(move || reading::consume(&trades, plan, &end)));
    let (end, plan) = (ended.clone(), course);
    let completed = std::thread::spawn(move || reading::bars(&rows, plan, &end));
    let view = start(Box::new(move || reading::live(subscriber, course)));
    let acked = course.produce(&client(brokers), topic);
    std::thread::sleep(AFTER);
    ended.store(true, Ordering::SeqCst);
    let (bare, view) = (bare.join().expect("a consumer"), view.join().expect("a subscriber"));
    let completed = completed.join().expect("a consumer of bars");
    let commits = commits.join().expect("a writer");
    let since_plan = |at: &Trades| course.since_plan(at);
    let beyond = |at: &Trades| course.between(&bare, at);
    json!({
        "acked": percentiles(since_plan(&acked)),
        "bare": percentiles(since_plan(&bare)),
        "live": percentiles(since_plan(&view)),
        "bare_after_ack": percentiles(course.between(&acked, &bare)),
        "live_after_ack": percentiles(course.between(&acked, &view)),
        "live_after_bare": percentiles(beyond(&view)),
        "bar": percentiles(completed),
        "transaction": percentiles(commits),
        "missing": view.missing(),
    })
}
