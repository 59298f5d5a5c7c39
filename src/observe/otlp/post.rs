//! The thread that sends batches, one at a time, each until the collector has taken or refused it.

use super::form::{self, Record};
use super::queue::Queue;
use crate::config::Collector;
use bytes::Bytes;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde_json::Value;
use std::error::Error;
use std::mem::replace;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long the collector may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Between two tries to send a batch.
const RETRY_EVERY: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 16;

/// Sends what is put into its queue.
pub(super) struct Post {
    client: Client,
    runtime: Runtime,
    /// For messages.
    collector: Collector,
    address: Url,
    resource: Value,
    queue: Arc<Queue>,
}

/// Why a batch was not taken.
enum Failure {
    /// It may be later.
    Away(String),
    /// It never will be.
    Refused(String),
}

/// What was said of the collector.
#[derive(Default)]
struct Told {
    is_away: bool,
    refuses: bool,
}

impl Post {
    /// To this collector, from this resource.
    ///
    /// # Errors
    /// Fails where there is no runtime, or no certificates to judge the collector's by.
    pub fn to(
        collector: &Collector,
        resource: Value,
        queue: Arc<Queue>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        // The first that needs it installs it; another finds it there.
        let _there = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .timeout(ANSWER_WAIT)
            .http1_only()
            // A redirected POST would come as a GET.
            .redirect(redirect::Policy::none())
            // There is a batch a second at most, and a connection that was kept may have been closed meanwhile.
            .pool_max_idle_per_host(0)
            .dns_resolver(OwnThread);
        if !collector.is_secure() {
            // No certificate will be judged, and a machine may hold none to judge by.
            client = client.tls_certs_only([]);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let client = client.build().map_err(words)?;
        let (collector, address) = (collector.clone(), collector.logs());
        Ok(Post { client, runtime, collector, address, resource, queue })
    }

    /// Sends until the end has come and nothing waits.
    pub fn serve(self) {
        let mut told = Told::default();
        loop {
            let batch = self.queue.take();
            if batch.is_empty() {
                return self.queue.close();
            }
            let lost = self.deliver(&batch, &mut told).min(batch.len() as u64);
            self.queue.dropped.fetch_add(lost, Ordering::Relaxed);
            self.queue.sent.fetch_add(batch.len() as u64 - lost, Ordering::Relaxed);
        }
    }

    /// Sends a batch, and again while the collector is away; how many of its records were lost.
    fn deliver(&self, batch: &[Record], told: &mut Told) -> u64 {
        let body = Bytes::from(form::document(&self.resource, batch));
        let mut is_last = false;
        loop {
            match self.runtime.block_on(self.post(body.clone())) {
                Ok(rejected) => {
                    told.back(&self.collector);
                    let Some((count, why)) = rejected else { return 0 };
                    told.refused(&self.collector, &why);
                    return count;
                }
                Err(Failure::Refused(why)) => {
                    told.refused(&self.collector, &why);
                    return batch.len() as u64;
                }
                Err(Failure::Away(_)) if is_last => return batch.len() as u64,
                Err(Failure::Away(why)) => {
                    told.away(&self.collector, &why);
                    // The end cuts the pause short, and leaves one more try.
                    is_last = self.queue.rest(RETRY_EVERY);
                }
            }
        }
    }

    /// What the collector says to a batch: how many records it rejects, and why, where it does.
    async fn post(&self, body: Bytes) -> Result<Option<(u64, String)>, Failure> {
        let post = self.client.post(self.address.clone()).header(CONTENT_TYPE, "application/json");
        let answer = post.body(body).send().await.map_err(|error| Failure::Away(words(error)))?;
        match answer.status() {
            status if status.is_success() => Ok(rejected(answer).await),
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(Failure::Away(format!("it answers {status}"))),
            status => Err(Failure::Refused(format!("it answers {status}"))),
        }
    }
}

/// How many records of a batch an answer rejects, and why.
async fn rejected(mut answer: Response) -> Option<(u64, String)> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    let document: Value = serde_json::from_slice(&body).ok()?;
    let partial = &document["partialSuccess"];
    let count = &partial["rejectedLogRecords"];
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|n| *n > 0)?;
    Some((count, partial["errorMessage"].as_str().unwrap_or("it does not say why").to_owned()))
}

/// All that an error says, without the address, in which a password may stand.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words += &format!(": {cause}");
        source = cause.source();
    }
    words
}

impl Told {
    /// Said once, until it is back.
    fn away(&mut self, collector: &Collector, why: &str) {
        if !replace(&mut self.is_away, true) {
            tracing::warn!(
                "observe.otlp: {collector} takes no logs: {why}; they wait, and those beyond are dropped and counted \
                 as tidemill_otlp_dropped_total"
            );
        }
    }

    fn back(&mut self, collector: &Collector) {
        if replace(&mut self.is_away, false) {
            tracing::info!("observe.otlp: {collector} takes logs again");
        }
    }

    /// Said once: it may refuse every other batch.
    fn refused(&mut self, collector: &Collector, why: &str) {
        if !replace(&mut self.refuses, true) {
            tracing::warn!(
                "observe.otlp: {collector} refuses logs: {why}; they are dropped and counted as \
                 tidemill_otlp_dropped_total"
            );
        }
    }
}

/// Looks names up on the thread that asks: the runtime would begin another one for it.
struct OwnThread;

impl Resolve for OwnThread {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = (name.as_str(), 0).to_socket_addrs()?;
            Ok(Box::new(found) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use tracing::{Event, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    struct Count(Arc<AtomicU64>);

    impl<S: Subscriber> Layer<S> for Count {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_collector_that_is_away_is_told_of_once_until_it_is_back() {
        let collector = Collector::parse("http://c").expect("an address");
        let (mut told, said) = (Told::default(), Arc::new(AtomicU64::new(0)));
        let log = tracing_subscriber::registry().with(Count(said.clone()));
        let count = |work: &mut dyn FnMut()| {
            work();
            said.swap(0, Ordering::Relaxed)
        };
        tracing::subscriber::with_default(log, || {
            let away = count(&mut || (0..3).for_each(|_| told.away(&collector, "why")));
            let back = count(&mut || (0..3).for_each(|_| told.back(&collector)));
            let again = count(&mut || told.away(&collector, "why"));
            let refused = count(&mut || (0..3).for_each(|_| told.refused(&collector, "why")));
            assert_eq!((away, back, again, refused), (1, 1, 1, 1));
        });
    }
}
