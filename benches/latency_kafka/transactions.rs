//! What a transaction of as many rows takes by itself: from its first record to a reader of what is committed.

use super::{client, make, reading};
use rdkafka::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_secs(10);
/// How long a delivery is waited for at once.
const POLL: Duration = Duration::from_millis(1);
/// Rows of a transaction: a bar of each symbol.
const ROWS: usize = 1_000;
/// Between two transactions, as between two epochs.
const EVERY: Duration = Duration::from_secs(1);

/// Makes transactions until all has ended; milliseconds until each of their rows was read.
pub fn start(brokers: &str, ended: Arc<AtomicBool>) -> JoinHandle<Vec<f64>> {
    let topic = format!("latency-rows-{}", std::process::id());
    make(brokers, &topic, 1);
    let mut config = client(brokers);
    config.set("transactional.id", &topic).set("linger.ms", "1");
    let producer: BaseProducer<DefaultProducerContext> = config.create().expect("a producer");
    producer.init_transactions(WAIT).expect("a producer's id");
    let mut config = client(brokers);
    config.set("isolation.level", "read_committed");
    let consumer = reading::at_end(&config, &topic);
    std::thread::spawn(move || {
        let mut late = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            let began = Instant::now();
            producer.begin_transaction().expect("a transaction");
            for row in 0..ROWS {
                let value = format!(r#"{{"row":{row:0300}}}"#);
                let record: BaseRecord<'_, (), _> = BaseRecord::to(&topic).payload(&value);
                producer.send(record).map_err(|(error, _)| error).expect("room");
            }
            // A commit would wait for deliveries in steps of 100 ms.
            while producer.in_flight_count() > 0 {
                producer.poll(POLL);
            }
            producer.commit_transaction(WAIT).expect("a commit");
            let mut read = 0;
            while read < ROWS {
                if let Some(message) = consumer.poll(WAIT) {
                    read += usize::from(message.expect("a row").payload().is_some());
                    late.push(began.elapsed().as_secs_f64() * 1e3);
                }
            }
            std::thread::sleep(EVERY.saturating_sub(began.elapsed()));
        }
        late
    })
}
