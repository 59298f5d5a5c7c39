//! What a run tells of itself: metrics, whether it is well and ready, and logs.
//!
//! ```text
//! the graph's progress ─┐
//! measured calls, stages ├─> Seen ─> /metrics /health /ready /status
//! what the lookout notes ┘      └─> conditions, each with its runbook
//! ```
//! Nothing is counted by row: the graph notes how far it is by round and epoch, sinks and sources are timed by
//! call and batch, and the rest is put together when somebody asks.

mod board;
mod conditions;
mod corrected;
mod live;
mod logs;
mod lookout;
mod measures;
mod metrics;
mod otlp;
mod seen;
mod server;

pub(crate) use conditions::{Condition, Found};
pub(crate) use logs::{is_json, is_level, log_as, log_message, log_to_stderr};
pub(crate) use lookout::Watched;
pub use metrics::documentation;
pub(crate) use otlp::flush;

use crate::config::Config;
use crate::engine::EngineError;
use dataflows::{LiveView, Progress};
use live::Live;
use lookout::Lookout;
use market::{EpochLength, Sink, Symbols};
use measures::{Measured, Measures};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Whose run it is.
#[derive(Clone, Debug)]
struct Run {
    deployment: String,
    process: usize,
    processes: usize,
    workers: usize,
    epoch: EpochLength,
    max_refused: f64,
    /// Time between two checkpoints, where they are kept.
    every_ms: Option<u64>,
}

/// All that is known of a run from within its process.
struct Observed {
    run: Run,
    progress: Arc<Progress>,
    measures: Arc<Measures>,
    lookout: Lookout,
    /// What `/live` serves, where it does.
    live: Option<Arc<Live>>,
    began: Instant,
    closed: AtomicBool,
}

/// A run that is observed until this is dropped.
pub(crate) struct Observatory(Arc<Observed>);

impl Observatory {
    /// Observes what `progress` tells, and serves it where the configuration says.
    ///
    /// # Errors
    /// Fails when the configured address cannot be listened at.
    pub fn open(
        config: &Config,
        process: usize,
        progress: &Arc<Progress>,
        symbols: &Symbols,
    ) -> Result<Self, EngineError> {
        let run = Run {
            deployment: config.name().to_owned(),
            process,
            processes: config.processes().len().max(1),
            workers: config.workers(),
            epoch: config.epoch(),
            max_refused: config.max_refused(),
            every_ms: config.checkpoints().map(|given| given.every_ms),
        };
        let measures = Measures::of(progress);
        let live = config.observe().live.then(|| Live::new(config.widths(), symbols));
        let observed = Arc::new(Observed {
            run,
            progress: progress.clone(),
            measures,
            lookout: Lookout::default(),
            live,
            began: now(),
            closed: AtomicBool::new(false),
        });
        if let Some(address) = config.observe().listens(config.processes(), process) {
            server::start(&address, observed.clone()).map_err(|error| {
                EngineError::Failed(format!("observe.listen = \"{address}\": {error}"))
            })?;
            lookout::start(&observed);
        }
        Ok(Observatory(observed))
    }

    /// Told of trades as they are read, where that is served.
    pub fn live(&self) -> Option<Arc<LiveView>> {
        self.0.live.as_ref().map(|live| live.view.clone())
    }

    /// Told of every batch that a source admits.
    pub fn timed_by(&self) -> sources::Timed {
        self.0.measures.timed_by()
    }

    /// The sinks, each call timed.
    pub fn measured(&self, sinks: Vec<Box<dyn Sink>>) -> Vec<Box<dyn Sink>> {
        let measured = |sink| Box::new(Measured::over(sink, &self.0.measures)) as Box<dyn Sink>;
        sinks.into_iter().map(measured).collect()
    }

    /// Asks the brokers of the logs it is given now and then whether they are there and where the logs end.
    pub fn watch(&self) -> impl FnOnce(Vec<Watched>) + Send + use<> {
        let observed = self.0.clone();
        move |logs| {
            if !observed.lookout.is_idle() {
                lookout::ask(&observed, logs);
            }
        }
    }
}

impl Drop for Observatory {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "how long things take is measured by the command")]
fn now() -> Instant {
    Instant::now()
}
