//! `/live`: the newest price and the forming bars of symbols as an endless body, a line of JSON for each that changed.
//!
//! ```text
//! workers ─> LiveView ─wakes─> pump ─> Board ─> subscribers, each at its own pace
//! ```
//! First comes what is known, then what changes. All but the workers' part is on the server's one thread. A subscriber
//! that reads slowly is given newer values only; one that does not read at all is sent away.

use super::board::Board;
use super::metrics::{Metric, Of};
use dataflows::LiveView;
use hyper::body::{Body, Bytes, Frame};
use market::{Symbols, Width};
use serde_json::json;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Subscribers at a time; one more is told to come later.
pub(super) const SUBSCRIBERS_MAX: u64 = 32;
/// How long a subscriber may read nothing of what waits for it.
pub(super) const STALL_MAX: Duration = Duration::from_secs(30);
/// About how many bytes are written before they are sent: the first of a burst need not wait for the last.
const FRAME_BYTES: usize = 1 << 13;

/// What workers, server and metrics share.
pub(super) struct Live {
    pub view: Arc<LiveView>,
    symbols: Symbols,
    pub subscribers: AtomicU64,
    pub sent: AtomicU64,
    replaced: AtomicU64,
    /// The pump, while it sleeps.
    pump: Mutex<Option<Waker>>,
}

impl Live {
    pub fn new(widths: &[Width], symbols: &Symbols) -> Arc<Self> {
        let view = Arc::new(LiveView::new(widths.to_vec()));
        let live = Arc::new(Live {
            view,
            symbols: symbols.clone(),
            subscribers: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            replaced: AtomicU64::new(0),
            pump: Mutex::default(),
        });
        let woken = Arc::downgrade(&live);
        live.view.wake_by(Arc::new(move || woken.upgrade().iter().for_each(|live| live.wake())));
        live
    }

    fn wake(&self) {
        let waker = self.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        waker.into_iter().for_each(Waker::wake);
    }
}

/// Where subscribers come in, on the server's thread.
pub(super) struct Door {
    live: Arc<Live>,
    board: RefCell<Board>,
    /// Subscribers that have read everything.
    waiting: RefCell<Vec<Waker>>,
}

/// How a connection stands with its subscriber.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// It is none, or has not become one yet.
    Asking,
    /// It has taken all there was.
    Idle,
    /// It was given something then, and has not come back for more.
    Given(Instant),
}

/// A body without an end.
pub(super) struct Subscriber {
    door: Rc<Door>,
    /// The texts of symbols, as JSON; all of them where none are named.
    wanted: Option<BTreeSet<String>>,
    /// The last change it was given.
    seen: u64,
    /// What it was given is to be sent before it is given more.
    sends: bool,
    pace: Rc<Cell<Pace>>,
}

impl Door {
    pub fn new(live: Arc<Live>) -> Rc<Self> {
        let board = RefCell::new(Board::new(live.view.widths(), &live.symbols));
        Rc::new(Door { live, board, waiting: RefCell::default() })
    }

    /// Takes what workers told, as long as somebody wants it. Never ends.
    pub async fn pump(self: Rc<Self>) {
        std::future::poll_fn(|context| {
            let waker = context.waker().clone();
            *self.live.pump.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
            if self.live.subscribers.load(Ordering::Relaxed) > 0 {
                self.live.view.wait();
                self.take();
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn take(&self) {
        let mut board = self.board.borrow_mut();
        self.live.view.take(|newest, bars| board.put(newest, bars));
        self.live.replaced.store(board.replaced, Ordering::Relaxed);
        drop(board);
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// One more subscriber, to the symbols of `query`.
    ///
    /// # Errors
    /// Says what of the query is not understood, or `None` where there are as many as may be.
    pub fn subscribe(
        self: &Rc<Self>,
        query: Option<&str>,
        pace: &Rc<Cell<Pace>>,
    ) -> Result<Subscriber, Option<String>> {
        let wanted = query.map(symbols).transpose().map_err(Some)?;
        if self.live.subscribers.load(Ordering::Relaxed) >= SUBSCRIBERS_MAX {
            return Err(None);
        }
        self.live.subscribers.fetch_add(1, Ordering::Relaxed);
        self.take();
        self.live.wake();
        pace.set(Pace::Idle);
        Ok(Subscriber { door: self.clone(), wanted, seen: 0, sends: false, pace: pace.clone() })
    }
}

/// The symbols of `symbols=A,B`, as JSON.
fn symbols(query: &str) -> Result<BTreeSet<String>, String> {
    let list = query.strip_prefix("symbols=").filter(|list| !list.contains('&'));
    let list = list.ok_or_else(|| format!("?{query}: only ?symbols=A,B is understood"))?;
    let symbol = |text: &str| match plain(text) {
        Some(text) if !text.is_empty() => Ok(json!(text).to_string()),
        _ => Err(format!("\"{text}\" in ?symbols=: a symbol is wanted, with commas between them")),
    };
    list.split(',').map(symbol).collect()
}

/// Text without `%20` and the like; none where it is not text.
fn plain(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let byte = match first {
            b'%' => {
                let (digits, behind) = rest.split_at_checked(2)?;
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => byte,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

impl Body for Subscriber {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if std::mem::take(&mut this.sends) {
            // A connection sends what it has when there is no more at once.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let (mut lines, wanted) = (Vec::new(), this.wanted.as_ref());
        let read = this.door.board.borrow_mut().read(this.seen, wanted, FRAME_BYTES, &mut lines);
        this.seen = read.0;
        if lines.is_empty() {
            this.pace.set(Pace::Idle);
            this.door.waiting.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        }
        this.door.live.sent.fetch_add(read.1, Ordering::Relaxed);
        this.pace.set(Pace::Given(super::now()));
        this.sends = true;
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.door.live.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of the live view, where there is one.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "tidemill_live_subscribers",
        unit: "subscribers",
        labels: &[],
        help: "Who reads `/live` at this moment",
        of: Of::Gauge(|seen, put| {
            let live = seen.live.iter();
            live.for_each(|live| put(&[], live.subscribers.load(Ordering::Relaxed) as f64));
        }),
    },
    Metric {
        name: "tidemill_live_updates",
        unit: "updates",
        labels: &[],
        help: "Values of symbols that subscribers of `/live` were sent",
        of: Of::Counter(|seen, put| {
            seen.live.iter().for_each(|live| put(&[], live.sent.load(Ordering::Relaxed) as f64));
        }),
    },
    Metric {
        name: "tidemill_live_conflated",
        unit: "updates",
        labels: &[],
        help: "Values that a newer one of the symbol replaced before any subscriber of `/live` was sent them",
        of: Of::Counter(|seen, put| {
            let replaced =
                |live: &Live| live.replaced.load(Ordering::Relaxed) + live.view.replaced();
            seen.live.iter().for_each(|live| put(&[], replaced(live) as f64));
        }),
    },
];
