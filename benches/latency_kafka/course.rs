//! The plan: which trade is sent when, and what became of it.

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Symbols take turns, and so partitions do.
pub const SYMBOLS: u64 = 1_000;
/// Not measured: connections are made, caches and buffers become warm.
const WARM_UP_S: u64 = 2;
/// How often the plan is looked at.
const TICK: Duration = Duration::from_micros(50);
const SECOND: i64 = 1_000_000_000;

/// What is sent, and when.
#[derive(Clone, Copy)]
pub struct Course {
    rate: u64,
    count: u64,
    partitions: u64,
    began: Instant,
    from_ns: i64,
}

/// Nanoseconds after the beginning at which something became of each trade; -1 where nothing did.
pub struct Trades(Vec<i64>);

impl Trades {
    pub fn new(course: &Course) -> Self {
        Trades(vec![-1; course.count as usize])
    }

    /// It happened now to the trade of this number, unless it had.
    pub fn note(&mut self, number: u64, at_ns: i64) {
        if let Some(noted) = self.0.get_mut(number as usize).filter(|noted| **noted < 0) {
            *noted = at_ns;
        }
    }

    /// To how many nothing happened.
    pub fn missing(&self) -> usize {
        self.0.iter().filter(|at| **at < 0).count()
    }
}

/// Notes when records were acknowledged.
struct Acks {
    course: Course,
    at_ns: Vec<AtomicI64>,
}

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, number: usize) {
        assert!(delivered.is_ok(), "{delivered:?}");
        self.at_ns[number].store(self.course.now_ns(), Ordering::Relaxed);
    }
}

impl Course {
    pub fn new(rate: u64, seconds: u64, partitions: u64) -> Self {
        let count = rate * (seconds + WARM_UP_S);
        Course { rate, count, partitions, began: Instant::now(), from_ns: 0 }
    }

    /// From now on.
    pub fn begin(self) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        Course { began: Instant::now(), from_ns: now.as_nanos() as i64, ..self }
    }

    /// Nanoseconds since it began.
    pub fn now_ns(&self) -> i64 {
        self.began.elapsed().as_nanos() as i64
    }

    /// When a trade is to be sent, after the beginning; its event time is that.
    fn due_ns(&self, number: u64) -> i64 {
        (number * SECOND as u64 / self.rate) as i64
    }

    /// The trade of this event time.
    pub fn number(&self, ts_event: i64) -> u64 {
        let after = (ts_event - self.from_ns).max(0) as u64;
        (after * self.rate).div_ceil(SECOND as u64)
    }

    /// When every partition has brought a trade of `time` or later, by the plan; none before it is measured.
    pub fn completes_ns(&self, time: i64) -> Option<i64> {
        let last = self.number(time) + self.partitions - 1;
        (time > self.from_ns + WARM_UP_S as i64 * SECOND && last < self.count)
            .then(|| self.due_ns(last))
    }

    fn measured(&self) -> impl Iterator<Item = usize> + use<> {
        (self.rate * WARM_UP_S) as usize..self.count as usize
    }

    /// Milliseconds from the plan until it happened.
    pub fn since_plan(&self, at: &Trades) -> Vec<f64> {
        let happened = self.measured().filter(|&number| at.0[number] >= 0);
        happened.map(|number| (at.0[number] - self.due_ns(number as u64)) as f64 / 1e6).collect()
    }

    /// Milliseconds from one to the other.
    pub fn between(&self, from: &Trades, to: &Trades) -> Vec<f64> {
        let both = self.measured().filter(|&number| from.0[number] >= 0 && to.0[number] >= 0);
        both.map(|number| (to.0[number] - from.0[number]) as f64 / 1e6).collect()
    }

    /// Sends every trade as soon as its time has come; when each was acknowledged.
    pub fn produce(self, config: &ClientConfig, topic: &str) -> Trades {
        let at_ns = (0..self.count).map(|_| AtomicI64::new(-1)).collect();
        let mut config = config.clone();
        config
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("queue.buffering.max.messages", "1000000");
        let producer: BaseProducer<Acks> =
            config.create_with_context(Acks { course: self, at_ns }).expect("a producer");
        let producer = Arc::new(producer);
        let (polled, done) =
            (producer.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let is_done = done.clone();
        let acks = std::thread::spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                polled.poll(Duration::from_millis(10));
            }
        });
        let (mut next, mut value) = (0, String::new());
        while next < self.count {
            while next < self.count && self.due_ns(next) <= self.now_ns() {
                self.write(next, &mut value);
                let partition = (next % SYMBOLS % self.partitions) as i32;
                let record = BaseRecord::with_opaque_to(topic, next as usize);
                let record: BaseRecord<'_, (), _, usize> = record.payload(value.as_bytes());
                producer
                    .send(record.partition(partition))
                    .map_err(|(error, _)| error)
                    .expect("room");
                next += 1;
            }
            std::thread::sleep(TICK);
        }
        producer.flush(Duration::from_secs(30)).expect("all acknowledged");
        done.store(true, Ordering::Relaxed);
        acks.join().expect("a thread that polls");
        Trades(producer.context().at_ns.iter().map(|at| at.load(Ordering::Relaxed)).collect())
    }

    /// The time stands first, where it is found without reading the rest.
    fn write(&self, number: u64, value: &mut String) {
        use std::fmt::Write;
        value.clear();
        let (ts_event, symbol) = (self.from_ns + self.due_ns(number), number % SYMBOLS);
        let price = 100 + number % 37;
        write!(
            value,
            r#"{{"ts_event":{ts_event},"symbol":"S{symbol:04}","price":{price}.25,"size":100}}"#
        )
        .expect("text");
    }
}
