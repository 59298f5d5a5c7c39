//! Logs to a collector of OpenTelemetry, by OTLP over HTTP in its JSON form.
//!
//! ```text
//! event ─> record ─> queue ─> batch ─> POST /v1/logs      by one thread
//!                      └─> what does not fit is counted
//! ```
//! Nobody waits for the collector. A batch that it could not take, because it is away or has too much to do, stays
//! and is sent again while the queue fills; one that it refuses is dropped. Metrics are not sent: collectors read
//! `/metrics` themselves.

mod form;
mod post;
mod queue;

use super::logs::Said;
use super::metrics::{Metric, Of};
use crate::config::Collector;
use form::Record;
use post::Post;
use queue::Queue;
use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The thread that sends.
const THREAD: &str = "otlp";
/// How long the end of a process waits for the last batch.
const END_WAIT: Duration = Duration::from_secs(2);

/// What waits to be sent, where something is; a process has one log.
static QUEUE: OnceLock<Arc<Queue>> = OnceLock::new();

/// Sends what is logged from now on by process `process` of a deployment.
///
/// # Errors
/// Fails where there is no thread for it, or no certificates to judge the collector's by.
pub(super) fn start(
    to: &Collector,
    deployment: &str,
    process: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let queue = Arc::new(Queue::default());
    let post = Post::to(to, form::resource(deployment, process), queue.clone())?;
    std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || post.serve())?;
    // A second run of a process goes on in the first one's log.
    let _there = QUEUE.set(queue);
    Ok(())
}

/// Sends what is said, where something is sent; waits for nothing.
pub(super) fn send(said: &Said) {
    let Some(queue) = QUEUE.get() else { return };
    // What sending itself has to say would be sent, and have more to say.
    if std::thread::current().name() != Some(THREAD) {
        queue.put(Record::of(said));
    }
}

/// Sends what still waits, before the process ends; waits for a collector that is slow or away no longer than 2 s.
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.end(END_WAIT);
    }
}

pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tidemill_otlp_sent",
        unit: "records",
        labels: &[],
        help: "Records of the log that the collector of `observe.otlp` took",
        of: Of::Counter(|_, put| put(&[], count(|queue| queue.sent.load(Ordering::Relaxed)))),
    },
    Metric {
        name: "tidemill_otlp_dropped",
        unit: "records",
        labels: &[],
        help: "Records of the log that it never got, because too many waited for it or it refused them",
        of: Of::Counter(|_, put| put(&[], count(|queue| queue.dropped.load(Ordering::Relaxed)))),
    },
];

fn count(of: fn(&Queue) -> u64) -> f64 {
    QUEUE.get().map_or(0.0, |queue| of(queue) as f64)
}
