//! The Kafka sink: every change of a row is a record, one that removes it a tombstone (no value) under the same
//! key; transactions hold whole epochs and their mark.
//!
//! ```text
//! rows -> JSON, key and partition -> batches -> (a bounded channel) -> the writer's thread -> transactions
//! ```
//! A run takes possession of its writer's transactional id, which gives up what an earlier run left open
//! and keeps it from ever writing again, and only then reads the mark: what lies before it is left out.
//! A broker that is away lets the channel fill, and a full one blocks the graph.

mod encode;
mod marks;
mod topics;
mod writer;

pub use marks::TOPIC as PROGRESS_TOPIC;
pub use topics::{letters_topic, plans, topic_of};

use crate::batch::{done_rows, failed, is_done};
use encode::Encoder;
use kafka::{Batch, Headers, KafkaError, Record, Settings, Topics, Transactions};
use market::{DeadLetter, Epoch, Rows, Sink, SinkError, TableSpec, Width};
use marks::Owner;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use topics::schema_of;
use writer::{Order, Writer};

/// Batches between the graph and the writer.
const ORDERS_MAX: usize = 32;
/// Bytes of a batch.
const BATCH_BYTES: usize = 256 << 10;
/// Between two looks whether the writer has room.
const PAUSE: Duration = Duration::from_millis(1);

/// Where rows go, and whose they are.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// The brokers.
    pub settings: Settings,
    /// The deployment: part of the transactional id.
    pub deployment: String,
    /// The sink's name within it, likewise.
    pub name: String,
    /// What the rows are a function of; marks of another one are no marks.
    pub lineage: String,
    /// The run's generation, for those who read the marks.
    pub generation: u64,
    /// Writers that earlier runs may have left besides number 0, which is this one.
    pub writers: Vec<u32>,
    /// Before the name of every topic of rows and letters.
    pub prefix: String,
    /// Partitions of topics that are made.
    pub partitions: i32,
    /// Their replication; the brokers' default where there is none.
    pub replication: Option<i32>,
    /// How long they keep rows, in milliseconds; for ever where it is -1.
    pub retention_ms: i64,
    /// The widths of rows.
    pub widths: Vec<Width>,
    /// Set from outside: the brokers are waited for some seconds more and no longer.
    pub stop: Arc<AtomicBool>,
}

impl KafkaOptions {
    /// The transactional id of writer number `writer`.
    pub fn writer_id(&self, writer: u32) -> String {
        format!("tidemill-{}-{}-{writer}", self.deployment, self.name)
    }
}

/// A topic that is written to.
struct Target {
    name: String,
    partitions: u64,
}

/// Rows and refused records as records of topics.
pub struct KafkaSink {
    options: KafkaOptions,
    what: String,
    topics: Topics,
    targets: Vec<Target>,
    warnings: Vec<String>,
    encoder: Encoder,
    batch: Batch,
    /// Up to where an earlier run committed everything.
    mark: Option<Epoch>,
    /// Set when the writer is to wait no longer.
    ending: Arc<AtomicBool>,
    orders: Option<SyncSender<Order>>,
    writer: Option<JoinHandle<Result<(), KafkaError>>>,
}

impl KafkaSink {
    /// Makes the topics that are missing, takes possession of the writers' ids and reads the mark.
    ///
    /// # Errors
    /// Fails when no broker answers within a minute, or a topic or id may not be used.
    pub fn open(options: KafkaOptions, tables: &[TableSpec]) -> Result<Self, SinkError> {
        let what = format!("kafka sink \"{}\"", options.name);
        Self::open_as(options, tables, &what).map_err(failed(&what))
    }

    fn open_as(
        options: KafkaOptions,
        tables: &[TableSpec],
        what: &str,
    ) -> Result<Self, KafkaError> {
        kafka::Admin::new(&options.settings)?.wait(&options.stop)?;
        let topics = Topics::open(&options.settings)?;
        let plans = plans(&options, tables);
        let (there, warnings) = topics::ensure(&topics, &plans)?;
        let target = |(name, topic): (String, kafka::Topic)| Target {
            name,
            partitions: u64::try_from(topic.partitions).unwrap_or(1).max(1),
        };
        let targets = there.into_iter().map(target).collect();
        let ending = Arc::new(AtomicBool::new(false));
        let open = |writer| {
            Transactions::open(&options.settings, &options.writer_id(writer), ending.clone())
        };
        for writer in options.writers.iter().filter(|writer| **writer != 0) {
            drop(open(*writer)?);
        }
        let transactions = open(0)?;
        let owner = Owner {
            deployment: options.deployment.clone(),
            sink: options.name.clone(),
            lineage: options.lineage.clone(),
        };
        // Only now: nobody else can add to what is read.
        let mark = owner.read(&options.settings)?;
        let generation = options.generation;
        let writer = Writer::new(transactions, owner, generation);
        let (orders, receiver) = sync_channel(ORDERS_MAX);
        let thread = std::thread::Builder::new().name("kafka sink".to_owned());
        let thread =
            thread.spawn(move || writer.run(&receiver)).expect("the system starts a thread");
        Ok(KafkaSink {
            options,
            what: what.to_owned(),
            topics,
            targets,
            warnings,
            encoder: Encoder::default(),
            batch: Batch::default(),
            mark,
            ending,
            orders: Some(orders),
            writer: Some(thread),
        })
    }

    /// What about the topics is not as it was to be.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Up to where everything was committed when this was opened.
    pub fn mark(&self) -> Option<Epoch> {
        self.mark
    }

    /// The number of the target `name`, which is made if it is missing.
    fn target(
        &mut self,
        name: &str,
        tables: &[TableSpec],
        width: Width,
    ) -> Result<usize, SinkError> {
        if let Some(at) = self.targets.iter().position(|target| target.name == name) {
            return Ok(at);
        }
        let options = KafkaOptions { widths: vec![width], ..self.options.clone() };
        let plans = plans(&options, tables);
        let (there, warnings) = topics::ensure(&self.topics, &plans).map_err(failed(&self.what))?;
        self.warnings.extend(warnings);
        let partitions = there.get(name).map_or(1, |topic| topic.partitions);
        let partitions = u64::try_from(partitions).unwrap_or(1).max(1);
        self.targets.push(Target { name: name.to_owned(), partitions });
        Ok(self.targets.len() - 1)
    }

    /// Adds what the encoder holds.
    fn push(&mut self, target: usize, hash: u64, headers: &Headers) -> Result<(), SinkError> {
        let target = &self.targets[target];
        self.batch.push(&Record {
            topic: &target.name,
            partition: i32::try_from(hash % target.partitions).ok(),
            key: Some(&self.encoder.key),
            value: self.encoder.value(),
            headers: Some(headers),
            timestamp_ms: None,
        });
        if self.batch.bytes() >= BATCH_BYTES { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> Result<(), SinkError> {
        let batch = std::mem::take(&mut self.batch);
        if batch.is_empty() { Ok(()) } else { self.order(Order::Records(batch)) }
    }

    /// Tells the writer, and waits while it has no room.
    fn order(&mut self, mut order: Order) -> Result<(), SinkError> {
        loop {
            order = match self.orders.as_ref().map(|orders| orders.try_send(order)) {
                Some(Ok(())) => return Ok(()),
                Some(Err(TrySendError::Full(back))) => back,
                Some(Err(TrySendError::Disconnected(_))) | None => return Err(self.failure()),
            };
            self.hear_of_stop();
            std::thread::sleep(PAUSE);
        }
    }

    /// The writer waits for the brokers without limit, but not once the run is to end.
    fn hear_of_stop(&self) {
        if self.options.stop.load(Ordering::Relaxed) {
            self.ending.store(true, Ordering::Relaxed);
        }
    }

    /// Why the writer has ended.
    fn failure(&mut self) -> SinkError {
        self.orders = None;
        let why = match self.writer.take().map(JoinHandle::join) {
            Some(Ok(Err(error))) => error.to_string(),
            _ => "its writer has ended".to_owned(),
        };
        failed::<String>(&self.what)(why)
    }
}

/// The headers of the records of `schema` in `epoch`.
fn headers(schema: &str, epoch: Epoch) -> Headers {
    Headers::of(&[("schema", schema), ("epoch", &epoch.to_string())])
}

impl Sink for KafkaSink {
    fn name(&self) -> &str {
        &self.options.name
    }

    fn write(&mut self, rows: &Rows) -> Result<(), SinkError> {
        let first = done_rows(self.mark, rows);
        self.encoder.learn(rows);
        let schema = schema_of(&rows.table.name);
        let mut labels: Option<(Epoch, Headers)> = None;
        let mut targets: Vec<(Width, usize)> = Vec::new();
        for row in first..rows.len() {
            let key = rows.keys[row];
            let labels = match labels.take() {
                Some(known) if known.0 == key.epoch => labels.insert(known),
                _ => labels.insert((key.epoch, headers(&schema, key.epoch))),
            };
            let target = match targets.iter().find(|(width, _)| *width == key.width) {
                Some((_, target)) => *target,
                None => {
                    let name = topic_of(&self.options.prefix, &rows.table.name, key.width);
                    let table = std::slice::from_ref(&*rows.table);
                    let target = self.target(&name, table, key.width)?;
                    targets.push((key.width, target));
                    target
                }
            };
            let hash = self.encoder.row(rows, row);
            self.push(target, hash, &labels.1)?;
        }
        Ok(())
    }

    fn write_letters(&mut self, letters: &[DeadLetter]) -> Result<(), SinkError> {
        let name = letters_topic(&self.options.prefix);
        let Some(target) = self.targets.iter().position(|target| target.name == name) else {
            return Ok(());
        };
        let mark = self.mark;
        for letter in letters.iter().filter(|letter| !is_done(mark, letter.epoch)) {
            let hash = self.encoder.letter(letter);
            self.push(target, hash, &headers("dead_letter/1", letter.epoch))?;
        }
        Ok(())
    }

    fn flush(&mut self, before: Epoch) -> Result<(), SinkError> {
        if is_done(self.mark, before) || self.mark == Some(before) {
            return Ok(());
        }
        self.pass_on()?;
        self.order(Order::Before(before))
    }

    fn sync(&mut self) -> Result<(), SinkError> {
        let (done, wait) = sync_channel(1);
        self.order(Order::Sync(done))?;
        loop {
            match wait.recv_timeout(PAUSE * 100) {
                Ok(()) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(self.failure()),
                Err(RecvTimeoutError::Timeout) => self.hear_of_stop(),
            }
        }
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.sync()
    }
}

impl Drop for KafkaSink {
    /// A run that was stopped: what was complete is committed, if the brokers answer within seconds.
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.orders = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
