//! What a topic holds that was committed, read from its beginning to its end: for topics that are small.

use crate::admin::{Admin, again};
use crate::client::Client;
use crate::consumer::Consumer;
use crate::{KafkaError, Settings};
use rdkafka::consumer::Consumer as _;
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);
/// How long messages are waited for at once: all that came by then are handed out.
const POLL: Duration = Duration::from_millis(50);
/// Such waits in a row for messages that are known to be there, at most: five minutes.
const WAITS_MAX: u32 = 6_000;
/// Between two looks whether open transactions before the end have ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How often is looked, two minutes in all: a transaction that its owner left is given up by the broker
/// after one, if its owner set nothing else.
const LOOKS_MAX: u32 = 12_000;

/// Calls `each` with key and value of every committed record of `partition` of `topic`, in order; all that is in the log
/// when this is called is read, and transactions that are open then are waited for.
///
/// # Errors
/// Fails when no broker answers, the topic may not be read, or a transaction stays open for two minutes.
pub fn read_committed(
    settings: &Settings,
    topic: &str,
    partition: u32,
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), KafkaError> {
    let name = format!("kafka {}: reading {topic}", settings.brokers());
    let failed = |error: &dyn std::fmt::Display| KafkaError::of(&name, error);
    let all = Client::new(settings, &[("isolation.level", "read_uncommitted")])?;
    let number = i32::try_from(partition).map_err(|error| failed(&error))?;
    // Of a topic that was made just now, brokers may not have heard yet who leads it.
    let watermarks = again(|| all.consumer().fetch_watermarks(topic, number, WAIT));
    let (first, wanted) = watermarks.map_err(|error| failed(&error))?;
    let [first, wanted] = [first, wanted].map(|offset| u64::try_from(offset).unwrap_or(0));
    let admin = Admin::new(settings)?;
    let stable = [(topic.to_owned(), partition)];
    let mut looks = 0;
    loop {
        let end = admin.bounds(&stable)?[0].end;
        if end >= wanted {
            break;
        }
        looks += 1;
        if looks > LOOKS_MAX {
            let what = format!("a transaction that holds offset {end} of {wanted} does not end");
            return Err(failed(&format!(
                "{what}; kafka-transactions.sh find-hanging names its writer"
            )));
        }
        std::thread::sleep(PAUSE);
    }
    if wanted == first {
        return Ok(());
    }
    let mut reader = Consumer::new(settings)?.read(topic, partition, first)?;
    let mut waits = 0;
    while waits < WAITS_MAX {
        let mut next = 0;
        let arrived = reader.poll(POLL, |message| {
            next = message.offset() + 1;
            each(message.key(), message.payload());
        })?;
        // A topic that is written to all the time is hardly ever at its end.
        if next.max(arrived.end.unwrap_or(0)) >= wanted {
            return Ok(());
        }
        waits = if arrived.messages == 0 { waits + 1 } else { 0 };
    }
    Err(failed(&"no broker answers"))
}
