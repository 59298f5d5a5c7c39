//! Duplicates: the ids of the horizon's admitted trades, by (symbol, venue).
//!
//! A trade is a duplicate when one of the same symbol, venue, id and UTC day was admitted and still
//! lies within the horizon. Each (symbol, venue) is a [`Stream`] of ids in log order. An id above the
//! greatest of its day needs no look-up. All streams together hold a bounded number of trades; at the
//! bound the oldest leave early, block by block, and are counted.
//!
//! What is expired is swept when blocks fill, some streams at a time, so that what lies idle is at most
//! about half a block a stream. No verdict depends on when a sweep comes.

use super::Admission;
use super::fold::FoldState;
use super::record::{Record, Refusal};
use super::stream::Stream;
use market::{Reason, SymbolId, TradeId};
use std::collections::{HashMap, VecDeque};

/// Streams swept for each block that fills.
const SWEEP_STREAMS: usize = 2;

/// Streams (symbols times venues) for each symbol that a partition may hold.
pub(super) const STREAMS_PER_SYMBOL_MAX: usize = 32;

/// Marks a symbol without a stream.
const NO_STREAM: u32 = u32::MAX;

pub(super) struct Duplicates {
    pub(super) streams: Vec<Stream>,
    /// Streams of trades without a venue, by symbol.
    plain: Vec<u32>,
    /// Streams of trades with one.
    by_venue: HashMap<(SymbolId, SymbolId), u32, FoldState>,
    /// Full blocks, oldest first: stream and the block's number in it.
    pub(super) filled: VecDeque<(u32, u64)>,
    /// So many have been taken out of them.
    pub(super) filled_gone: u64,
    /// Up to which of them, counted from the first ever, each pour reaches whose blocks are not all gone.
    pub(super) pours: VecDeque<u64>,
    pub(super) swept: usize,
    pub(super) held: u64,
    held_max: u64,
    /// Whether each stream may hold so many, instead of all together: what one holds depends on no other then.
    is_each: bool,
    streams_max: usize,
    pub(super) left_early: u64,
}

impl Duplicates {
    pub(super) fn new(held_max: u64, streams_max: usize) -> Self {
        Duplicates {
            streams: Vec::new(),
            plain: Vec::new(),
            by_venue: HashMap::default(),
            filled: VecDeque::new(),
            filled_gone: 0,
            pours: VecDeque::new(),
            swept: 0,
            held: 0,
            held_max,
            is_each: false,
            streams_max,
            left_early: 0,
        }
    }

    /// Those of which each stream holds so many at most.
    pub(super) fn each(held_max: u64) -> Self {
        Duplicates { is_each: true, ..Duplicates::new(held_max, usize::MAX) }
    }

    /// The stream of a symbol at a venue, where there is one.
    #[inline(always)]
    pub(super) fn stream(&self, symbol: SymbolId, venue: Option<SymbolId>) -> Option<u32> {
        let found = match venue {
            None => *self.plain.get(symbol.index())?,
            Some(venue) => *self.by_venue.get(&(symbol, venue))?,
        };
        (found != NO_STREAM).then_some(found)
    }

    /// Whether `id` is above every id that the stream holds of its day: surely no duplicate.
    #[inline(always)]
    pub(super) fn rises(&self, stream: u32, id: TradeId, ts: i64) -> bool {
        self.streams[stream as usize].rises(id, ts)
    }

    /// Whether the horizon, which begins at `floor`, holds a trade of the same id and day.
    pub(super) fn holds(&self, stream: u32, id: TradeId, ts: i64, floor: i64) -> bool {
        self.streams[stream as usize].holds(id, ts, floor)
    }

    /// The time of the trade of an id and a day that the horizon holds.
    pub(super) fn find(&self, stream: u32, id: TradeId, day_ns: i64, floor: i64) -> Option<i64> {
        self.streams[stream as usize].find(id, day_ns, floor)
    }

    /// Keeps an admitted trade's id.
    #[inline(always)]
    pub(super) fn keep(&mut self, stream: u32, id: TradeId, ts: i64, floor: i64) {
        self.held += 1;
        if let Some(block) = self.streams[stream as usize].keep(id, ts) {
            self.filled(stream, block, floor);
        }
    }

    /// The stream of a symbol at a venue, made when new; none when there are too many.
    pub(super) fn stream_or_new(
        &mut self,
        symbol: SymbolId,
        venue: Option<SymbolId>,
    ) -> Option<u32> {
        if let Some(stream) = self.stream(symbol, venue) {
            return Some(stream);
        }
        if self.streams.len() >= self.streams_max {
            return None;
        }
        let stream = u32::try_from(self.streams.len()).ok()?;
        self.streams.push(Stream::new(symbol, venue));
        self.index(stream);
        Some(stream)
    }

    pub(super) fn index(&mut self, stream: u32) {
        let Stream { symbol, venue, .. } = self.streams[stream as usize];
        match venue {
            None => {
                if self.plain.len() <= symbol.index() {
                    self.plain.resize(symbol.index() + 1, NO_STREAM);
                }
                self.plain[symbol.index()] = stream;
            }
            Some(venue) => drop(self.by_venue.insert((symbol, venue), stream)),
        }
    }

    /// A block is full: what is expired goes, and what is too much.
    #[cold]
    #[inline(never)]
    fn filled(&mut self, stream: u32, block: u64, floor: i64) {
        if self.is_each {
            return self.filled_alone(stream, floor);
        }
        self.filled.push_back((stream, block));
        self.held -= self.streams[stream as usize].expire(floor);
        for _ in 0..SWEEP_STREAMS.min(self.streams.len()) {
            self.swept = (self.swept + 1) % self.streams.len();
            self.held -= self.streams[self.swept].expire(floor);
        }
        self.expire_oldest(floor);
        while self.held > self.held_max
            && let Some(&(stream, _)) = self.filled.front()
        {
            let left = self.streams[stream as usize].drop_front();
            self.held -= left;
            self.left_early += left;
            self.skip();
        }
    }

    /// Drops the blocks that filled first and lie before the horizon, however idle their streams are.
    fn expire_oldest(&mut self, floor: i64) {
        self.skip();
        while let Some(&(stream, block)) = self.filled.front() {
            let oldest = &mut self.streams[stream as usize];
            if oldest.block(block).is_some_and(|block| block.ts_max >= floor) {
                break;
            }
            self.held -= oldest.drop_front();
            self.skip();
        }
    }

    /// Takes out the filled blocks at the front that have left.
    pub(super) fn skip(&mut self) {
        while let Some(&(stream, block)) = self.filled.front()
            && !self.streams[stream as usize].has_block(block)
        {
            self.filled.pop_front();
            self.filled_gone += 1;
        }
    }

    /// The same where each stream has a bound of its own. Where its blocks end is a function of its trades alone, so
    /// a sweep leaves the one that grows.
    fn filled_alone(&mut self, stream: u32, floor: i64) {
        let own = &mut self.streams[stream as usize];
        let gone = own.expire_closed(floor);
        let mut early = 0;
        while own.len() > self.held_max {
            early += own.drop_front();
        }
        self.left_early += early;
        self.held -= gone + early;
        for _ in 0..SWEEP_STREAMS.min(self.streams.len()) {
            self.swept = (self.swept + 1) % self.streams.len();
            self.held -= self.streams[self.swept].expire_closed(floor);
        }
    }

    /// The streams of the symbols that `of` chooses.
    pub(super) fn streams_of<'a>(
        &'a self,
        of: &'a dyn Fn(SymbolId) -> bool,
    ) -> impl Iterator<Item = &'a Stream> {
        self.streams.iter().filter(move |stream| of(stream.symbol))
    }

    /// Takes in a stream of a symbol and venue that has none.
    pub(super) fn put(&mut self, stream: Stream) {
        self.held += stream.len();
        self.streams.push(stream);
        self.index(self.streams.len() as u32 - 1);
    }

    /// Drops all that lies before `floor`.
    pub(super) fn expire(&mut self, floor: i64) {
        self.held -= self.streams.iter_mut().map(|stream| stream.expire(floor)).sum::<u64>();
        self.skip();
    }
}

impl Admission {
    /// Trades whose ids left before the horizon did, because of `horizon_trades_max`.
    pub fn left_early(&self) -> u64 {
        self.duplicates.left_early
    }

    /// Whether the horizon holds a trade of the same id. The ids of a pooled partition others hold, but for those of
    /// the log before.
    pub(super) fn check_duplicate(&mut self, record: &Record) -> Result<(), Refusal> {
        let floor = self.mark.floor();
        let is_before = self.behind.as_ref().is_some_and(|seam| seam.holds(record, floor));
        if self.config.is_pooled {
            return if is_before { Err(Refusal::duplicate()) } else { Ok(()) };
        }
        let Some(stream) = self.duplicates.stream_or_new(record.symbol, record.venue) else {
            let limit = STREAMS_PER_SYMBOL_MAX as u64 * u64::from(self.config.symbols_max);
            let detail = format!("one pair of symbol and venue more than {limit}");
            return Err(Refusal::new(Reason::SymbolLimit, detail));
        };
        if is_before || self.duplicates.holds(stream, record.id, record.ts, floor) {
            return Err(Refusal::duplicate());
        }
        Ok(())
    }
}
