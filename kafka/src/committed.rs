//! What a topic holds that was committed, read from its beginning to its end: for topics that are small.

use crate::{KafkaError, Settings};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError as Native;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// How long an answer is waited for.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Between two looks whether open transactions before the end have ended.
const PAUSE: Duration = Duration::from_millis(10);
/// How often is looked: a transaction that its owner left is given up after a minute or, by a setting of
/// its owner, later.
const LOOKS_MAX: u32 = 90_000;

/// Calls `each` with key and value of every committed record of `partition` of `topic`, in order; what is
/// in the log when this is called is read, transactions that are open then are waited for.
///
/// # Errors
/// Fails when no broker answers, the topic may not be read, or a transaction stays open for 15 minutes.
pub fn read_committed(
    settings: &Settings,
    topic: &str,
    partition: i32,
    mut each: impl FnMut(Option<&[u8]>, Option<&[u8]>),
) -> Result<(), KafkaError> {
    let failed = |error: Native| {
        KafkaError::of(format!("kafka {}: reading {topic}", settings.brokers()), error)
    };
    let consumer = |isolation: &str| -> Result<BaseConsumer, Native> {
        let mut config = settings.client();
        config.set("isolation.level", isolation).set("enable.partition.eof", "true");
        config.set("enable.auto.commit", "false").set("group.id", "tidemill").create()
    };
    let (all, stable) = (consumer("read_uncommitted"), consumer("read_committed"));
    let (all, stable) = (all.map_err(failed)?, stable.map_err(failed)?);
    let end = |consumer: &BaseConsumer| {
        let ends = consumer.fetch_watermarks(topic, partition, ANSWER_WAIT);
        ends.map(|(_, high)| high).map_err(failed)
    };
    let wanted = end(&all)?;
    // With this isolation the end is that of the last transaction that has ended.
    let mut looks = 0;
    while end(&stable)? < wanted {
        looks += 1;
        if looks > LOOKS_MAX {
            let what = format!("kafka {}: reading {topic}", settings.brokers());
            return Err(KafkaError::of(what, "another writer's transaction does not end"));
        }
        std::thread::sleep(PAUSE);
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Beginning).map_err(failed)?;
    stable.assign(&list).map_err(failed)?;
    loop {
        match stable.poll(ANSWER_WAIT) {
            Some(Ok(message)) => tell(&message, &mut each),
            Some(Err(Native::PartitionEOF(_))) => return Ok(()),
            Some(Err(error)) => return Err(failed(error)),
            None => {
                let what = format!("kafka {}: reading {topic}", settings.brokers());
                return Err(KafkaError::of(what, "no broker answers"));
            }
        }
    }
}

fn tell(message: &BorrowedMessage<'_>, each: &mut impl FnMut(Option<&[u8]>, Option<&[u8]>)) {
    each(message.key(), message.payload());
}
