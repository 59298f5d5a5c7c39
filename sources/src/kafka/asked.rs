//! What is asked for in a control topic while a run is on: a thread reads on behind its end.

use crate::layout::Exclusion;
use ::kafka::{Consumer, KafkaError, Settings};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Exclusions that are heeded of one control topic; more are told of, and left.
const ASKED_MAX: usize = 10_000;
/// How long it is waited for records at once: so soon the thread ends with the run.
const WAIT: Duration = Duration::from_millis(200);

/// The exclusions that were asked for, in their order.
#[derive(Default)]
pub(super) struct Asked {
    all: Mutex<Vec<Arc<Exclusion>>>,
    over: AtomicBool,
}

/// What the run holds of it: the thread ends when that is gone.
pub(super) struct Asking(Arc<Asked>);

impl Asked {
    /// Reads the topic from its beginning on.
    ///
    /// # Errors
    /// Fails where the topic cannot be read, or no thread starts.
    pub fn of(settings: &Settings, topic: &str) -> Result<Asking, KafkaError> {
        let asked = Arc::<Asked>::default();
        let mut reader = Consumer::new(settings)?.read(topic, 0, 0)?;
        let (shared, name) = (asked.clone(), topic.to_owned());
        let work = move || {
            while !shared.over.load(Ordering::Relaxed) {
                let polled = reader.poll(WAIT, |message| shared.take(message.payload(), &name));
                if let Err(error) = polled {
                    tracing::warn!("{name}: exclusions are not heard of any more: {error}");
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("control".to_owned()).spawn(work);
        let failed = |error| KafkaError { what: format!("{topic}: no thread: {error}") };
        thread.map(|_| Asking(asked)).map_err(failed)
    }

    fn take(&self, value: Option<&[u8]>, topic: &str) {
        let record = serde_json::from_slice(value.unwrap_or_default());
        let exclusion = record.ok().map(|record| Exclusion::of_record(&record));
        match exclusion {
            Some(Ok(Some(exclusion))) => {
                let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
                if all.len() < ASKED_MAX {
                    return all.push(Arc::new(exclusion));
                }
                tracing::warn!("{topic}: exclusion {} is one too many", exclusion.id);
            }
            Some(Err(error)) => tracing::warn!("{topic}: {error}"),
            _ => {}
        }
    }
}

impl Asking {
    /// Those behind the first `known`.
    pub fn behind(&self, known: usize) -> Vec<Arc<Exclusion>> {
        let all = self.0.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(known..).unwrap_or_default().to_vec()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}
