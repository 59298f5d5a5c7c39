//! What a topic holds that was committed, read from its beginning to its end: for topics that are small.

use crate::admin::Admin;
use crate::client::Client;
use crate::consumer::Consumer;
use crate::{KafkaError, Settings};
use rdkafka::consumer::Consumer as _;
use std::time::Duration;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(30);
/// Waits for messages that are known to be there, at most.
const WAITS_MAX: u32 = 10;
/// Between two looks whether open transactions before the end have ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How often is looked: a transaction that its owner left is given up after a minute or, by a setting of
/// its owner, later.
const LOOKS_MAX: u32 = 90_000;

/// Calls `each` with key and value of every committed record of `partition` of `topic`, in order; all that is in the log
/// when this is called is read, and transactions that are open then are waited for.
///
/// # Errors
/// Fails when no broker answers, the topic may not be read, or a transaction stays open for 15 minutes.
pub fn read_committed(
    settings: &Settings,
    topic: &str,
    partition: i32,
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), KafkaError> {
    let name = format!("kafka {}: reading {topic}", settings.brokers());
    let failed = |error: &dyn std::fmt::Display| KafkaError::of(&name, error);
    let all = Client::new(settings, &[("isolation.level", "read_uncommitted")])?;
    let watermarks = all.consumer().fetch_watermarks(topic, partition, WAIT);
    let (first, wanted) = watermarks.map_err(|error| failed(&error))?;
    let [first, wanted] = [first, wanted].map(|offset| u64::try_from(offset).unwrap_or(0));
    let partition = u32::try_from(partition).map_err(|error| failed(&error))?;
    let admin = Admin::new(settings)?;
    let stable = [(topic.to_owned(), partition)];
    let mut looks = 0;
    while admin.bounds(&stable)?[0].end < wanted {
        looks += 1;
        if looks > LOOKS_MAX {
            return Err(failed(&"another writer's transaction does not end"));
        }
        std::thread::sleep(PAUSE);
    }
    if wanted == first {
        return Ok(());
    }
    let mut reader = Consumer::new(settings)?.read(topic, partition, first)?;
    for _ in 0..WAITS_MAX {
        loop {
            let arrived = reader.poll(WAIT, |message| each(message.key(), message.payload()))?;
            match arrived.end {
                Some(end) if end >= wanted => return Ok(()),
                None if arrived.messages == 0 => break,
                _ => {}
            }
        }
    }
    Err(failed(&"no broker answers"))
}
