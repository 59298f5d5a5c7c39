//! The live view: the newest trade of each symbol and its forming bars, told as they are read.
//!
//! ```text
//! a partition's round ─> Outbox (one value a symbol, the newest) ─> whoever publishes
//! ```
//! Nobody waits for anybody: a value that was not taken is replaced by the next one of its symbol. It is not exact: it
//! knows no epoch, and a bar is what one partition holds of it.

use market::{Bar, Offset, Price, Size, SymbolId, Time, Waker, Width};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A trade that no other of its symbol is newer than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newest {
    /// Symbol.
    pub symbol: SymbolId,
    /// When it happened.
    pub ts_event: Time,
    /// Number of the partition that it was read from.
    pub partition: u32,
    /// Its place there.
    pub at: Offset,
    /// Its price.
    pub price: Price,
    /// Its size.
    pub size: Size,
}

impl Newest {
    /// What trades are newer by: of equal times any one, but always the same.
    pub fn order(&self) -> (Time, u32, Offset) {
        (self.ts_event, self.partition, self.at)
    }
}

/// What a run tells of trades before their epochs are complete; shared with whoever publishes it.
pub struct LiveView {
    widths: Vec<Width>,
    outboxes: Mutex<Vec<Arc<Outbox>>>,
    waker: OnceLock<Waker>,
    awaited: AtomicBool,
    replaced: AtomicU64,
}

impl fmt::Debug for LiveView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveView").field("widths", &self.widths).finish_non_exhaustive()
    }
}

/// What a partition has told and nobody has taken.
pub(crate) struct Outbox {
    view: Arc<LiveView>,
    told: Mutex<Told>,
    /// Its buffers are used again.
    spare: Mutex<Told>,
}

/// Values by symbol: as many as there are symbols at most.
#[derive(Default)]
struct Told {
    newest: Vec<Newest>,
    /// One a width beside each; without a trade, there is none.
    bars: Vec<Bar>,
    /// By symbol, where its value stands, counted from one.
    places: Vec<u32>,
}

impl LiveView {
    /// Of the forming bars of these widths.
    pub fn new(widths: Vec<Width>) -> Self {
        LiveView {
            widths,
            outboxes: Mutex::default(),
            waker: OnceLock::new(),
            awaited: AtomicBool::new(false),
            replaced: AtomicU64::new(0),
        }
    }

    /// The widths of forming bars, in the order that [`LiveView::take`] hands them out in.
    pub fn widths(&self) -> &[Width] {
        &self.widths
    }

    /// Has `waker` called by the worker that tells something, once after each [`LiveView::wait`]; the first one stays.
    pub fn wake_by(&self, waker: Waker) {
        // A second one is not heard.
        let _is_first = self.waker.set(waker);
    }

    /// Asks to be woken. What was told before is not told again: look once more before you sleep.
    pub fn wait(&self) {
        self.awaited.store(true, Ordering::SeqCst);
    }

    /// Takes what was told since: of each symbol a value a partition at most, with its forming bars by width; one
    /// without a trade is not known.
    pub fn take(&self, mut each: impl FnMut(&Newest, &[Bar])) {
        let outboxes = held(&self.outboxes).clone();
        for outbox in outboxes {
            let mut spare = held(&outbox.spare);
            std::mem::swap(&mut *spare, &mut *held(&outbox.told));
            let width_count = self.widths.len();
            for (at, newest) in spare.newest.iter().enumerate() {
                each(newest, &spare.bars[at * width_count..][..width_count]);
            }
            spare.clear();
        }
    }

    /// Values that newer ones replaced before they were taken.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// Where one more partition tells.
    pub(crate) fn outbox(self: &Arc<Self>) -> Arc<Outbox> {
        let (told, spare) = (Mutex::default(), Mutex::default());
        let outbox = Arc::new(Outbox { view: self.clone(), told, spare });
        held(&self.outboxes).push(outbox.clone());
        outbox
    }
}

impl Outbox {
    /// Tells values, each with what `bars` knows its bars by, and wakes who waits for some. Whoever takes holds the lock
    /// for as long as two buffers change places.
    pub fn tell(
        &self,
        values: impl Iterator<Item = (Newest, usize)>,
        bars: impl Fn(usize, &mut Vec<Bar>),
    ) {
        let mut told = held(&self.told);
        let mut put =
            |(newest, of): (Newest, usize)| u64::from(told.put(newest, |to| bars(of, to)));
        let replaced: u64 = values.map(&mut put).sum();
        drop(told);
        if replaced > 0 {
            self.view.replaced.fetch_add(replaced, Ordering::Relaxed);
        }
        if self.view.awaited.swap(false, Ordering::SeqCst)
            && let Some(waker) = self.view.waker.get()
        {
            waker();
        }
    }
}

impl Told {
    /// Puts a value where that of its symbol stands; whether there was one.
    fn put(&mut self, newest: Newest, bars: impl Fn(&mut Vec<Bar>)) -> bool {
        let symbol = newest.symbol.index();
        if self.places.len() <= symbol {
            self.places.resize(symbol + 1, 0);
        }
        let Some(at) = (self.places[symbol] as usize).checked_sub(1) else {
            self.newest.push(newest);
            bars(&mut self.bars);
            self.places[symbol] = self.newest.len() as u32;
            return false;
        };
        // The new bars are appended, and take the place of the old ones.
        let (from, width_count) = (self.bars.len(), self.bars.len() / self.newest.len());
        bars(&mut self.bars);
        self.bars.copy_within(from.., at * width_count);
        self.bars.truncate(from);
        self.newest[at] = newest;
        true
    }

    fn clear(&mut self) {
        for newest in self.newest.drain(..) {
            self.places[newest.symbol.index()] = 0;
        }
        self.bars.clear();
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
