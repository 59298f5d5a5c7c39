//! The ids of one symbol at one venue, in log order, in blocks.
//!
//! Ids that rise within their day need no look-up; the others are **strays**. Of those that rose each block knows a
//! bound that all of them reach and none before it does, so that a look-up is a binary search over blocks and one
//! walk over 64 ids; strays are in a hash map beside. Once an id is text, all are in one. An emptied stream starts again.
//!
//! ```text
//!   log      1 2 3 7 8 | 4 9 10 11 | 12 5 13        strays: 4 5
//!   bounds   1           9           12             sought 10: the block of 9;  4: a stray;  6: in that of 1, not there
//! ```

use super::fold::FoldState;
use market::{SymbolId, Time, TradeId};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::ops::Range;

/// Trades of a block.
pub(super) const BLOCK_TRADES: u32 = 64;

/// By id and day: the time of the newest such trade.
type Times<T> = HashMap<(T, i64), i64, FoldState>;

/// A run of trades in log order; those whose ids rose are of one day.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) len: u32,
    pub(super) day_ns: i64,
    pub(super) ts_max: i64,
    /// No id that rose before it is as great, and none in it is less.
    pub(super) id_min: u64,
    /// How many ids the stream kept before it.
    pub(super) first: u64,
}

/// Ids as text.
#[derive(Default)]
pub(super) struct Unordered {
    pub(super) log: VecDeque<(u128, i64)>,
    times: Times<u128>,
}

impl Unordered {
    pub(super) fn of(log: VecDeque<(u128, i64)>) -> Box<Self> {
        let times = log.iter().map(|&(id, ts)| ((id, day_ns(ts)), ts)).collect();
        Box::new(Unordered { log, times })
    }

    pub(super) fn add(&mut self, id: u128, ts: i64) {
        self.log.push_back((id, ts));
        self.times.insert((id, day_ns(ts)), ts);
    }
}

/// What each trade touches comes first.
#[repr(C)]
pub(super) struct Stream {
    /// Greatest numeric id of the day that begins at `day_ns`.
    pub(super) greatest: u64,
    /// `i64::MAX` when no id rises: before the first, and while unordered.
    pub(super) day_ns: i64,
    /// Corrections that wait for their trade: as long as there are some, each id is looked up.
    pub(super) awaited: u32,
    /// The block that grows; of no trades when none does.
    pub(super) open: Block,
    /// All ids in log order, while they are numbers.
    pub(super) numbers: VecDeque<(u64, i64)>,
    /// Those that did not rise.
    strays: Times<u64>,
    /// How many ids have left.
    gone: u64,
    /// Closed blocks, which are numbered from `blocks_gone` on.
    pub(super) blocks: VecDeque<Block>,
    pub(super) blocks_gone: u64,
    pub(super) unordered: Option<Box<Unordered>>,
    /// Its full blocks numbered below are in checkpoints already.
    pub(super) poured: u64,
    pub(super) symbol: SymbolId,
    pub(super) venue: Option<SymbolId>,
}

impl Stream {
    pub(super) fn new(symbol: SymbolId, venue: Option<SymbolId>) -> Self {
        Stream {
            symbol,
            venue,
            greatest: 0,
            day_ns: i64::MAX,
            awaited: 0,
            open: Block::default(),
            numbers: VecDeque::new(),
            strays: Times::default(),
            gone: 0,
            blocks: VecDeque::new(),
            blocks_gone: 0,
            unordered: None,
            poured: 0,
        }
    }

    /// Trades held.
    pub(super) fn len(&self) -> u64 {
        match &self.unordered {
            None => self.numbers.len() as u64,
            Some(unordered) => unordered.log.len() as u64,
        }
    }

    /// Whether `id` is above all ids of the newest day, and of that day.
    #[inline(always)]
    pub(super) fn rises(&self, id: TradeId, ts: i64) -> bool {
        let id = id.raw();
        let into_day = (ts as u64).wrapping_sub(self.day_ns as u64);
        self.awaited == 0
            && id > u128::from(self.greatest)
            && id <= u128::from(u64::MAX)
            && ts >= self.day_ns
            && into_day < Time::DAY as u64
    }

    /// Whether the horizon, which begins at `floor`, holds a trade of the same id and day.
    pub(super) fn holds(&self, id: TradeId, ts: i64, floor: i64) -> bool {
        let rises = self.unordered.is_none() && self.rises(id, ts);
        !rises && self.find(id, day_ns(ts), floor).is_some()
    }

    /// The time of the trade of an id and a day that the horizon holds, which begins at `floor`.
    pub(super) fn find(&self, id: TradeId, day: i64, floor: i64) -> Option<i64> {
        if let Some(unordered) = &self.unordered {
            return unordered.times.get(&(id.raw(), day)).copied().filter(|&ts| ts >= floor);
        }
        // Where the id is text, all that is held are numbers.
        self.find_number(u64::try_from(id.raw()).ok()?, day, floor)
    }

    fn find_number(&self, id: u64, day: i64, floor: i64) -> Option<i64> {
        if !self.strays.is_empty()
            && let Some(&ts) = self.strays.get(&(id, day)).filter(|&&ts| ts >= floor)
        {
            return Some(ts);
        }
        let reaches = |block: &Block| (block.day_ns, block.id_min) <= (day, id);
        let block = match self.open.len > 0 && reaches(&self.open) {
            true => &self.open,
            false => match self.blocks.partition_point(reaches).checked_sub(1) {
                Some(last) => &self.blocks[last],
                None => return None,
            },
        };
        if block.day_ns != day || block.ts_max < floor {
            return None;
        }
        let mut rows = self.numbers.range(self.rows(block)).copied();
        rows.find(|&(other, ts)| other == id && ts >= floor && day_ns(ts) == day).map(|row| row.1)
    }

    /// Where the ids of a block that is held lie.
    pub(super) fn rows(&self, block: &Block) -> Range<usize> {
        // One without any was never told where it begins.
        let first = block.first.saturating_sub(self.gone) as usize;
        first..first + block.len as usize
    }

    /// Keeps an admitted trade's id; says the number of the block that it closed.
    #[inline(always)]
    pub(super) fn keep(&mut self, id: TradeId, ts: i64) -> Option<u64> {
        let is_calm = self.open.len.wrapping_sub(1) < BLOCK_TRADES - 2;
        if is_calm && self.open.day_ns == self.day_ns && self.rises(id, ts) {
            let id = id.raw() as u64;
            self.open.len += 1;
            self.open.ts_max = self.open.ts_max.max(ts);
            self.greatest = id;
            self.numbers.push_back((id, ts));
            return None;
        }
        self.keep_any(id, ts)
    }

    #[inline(never)]
    fn keep_any(&mut self, id: TradeId, ts: i64) -> Option<u64> {
        let number = u64::try_from(id.raw()).ok();
        if number.is_none() {
            self.forget_order();
        }
        if let Some(unordered) = &mut self.unordered {
            unordered.add(id.raw(), ts);
            return self.extend_open(ts);
        }
        let (number, day) = (number.unwrap_or_default(), day_ns(ts));
        let is_next_day = self.numbers.is_empty() || day > self.day_ns;
        let mut closed = None;
        if is_next_day {
            closed = (self.open.len > 0).then(|| self.close());
            (self.day_ns, self.greatest) = (day, number);
        }
        if self.open.len == 0 {
            self.open.day_ns = self.day_ns;
            self.open.id_min = if is_next_day { number } else { self.greatest.saturating_add(1) };
        }
        match is_next_day || (day == self.day_ns && number > self.greatest) {
            true => self.greatest = number,
            false => drop(self.strays.insert((number, day), ts)),
        }
        self.numbers.push_back((number, ts));
        self.extend_open(ts).or(closed)
    }

    /// One more trade is in the open block, and among the ids.
    fn extend_open(&mut self, ts: i64) -> Option<u64> {
        let before = self.len() - 1;
        let open = &mut self.open;
        if open.len == 0 {
            (open.ts_max, open.first) = (ts, self.gone + before);
        }
        open.len += 1;
        open.ts_max = open.ts_max.max(ts);
        (open.len == BLOCK_TRADES).then(|| self.close())
    }

    /// The open block joins the closed ones; says its number.
    fn close(&mut self) -> u64 {
        self.blocks.push_back(std::mem::take(&mut self.open));
        self.blocks_gone + self.blocks.len() as u64 - 1
    }

    fn forget_order(&mut self) {
        if self.unordered.is_some() {
            return;
        }
        let log: VecDeque<_> =
            self.numbers.drain(..).map(|(id, ts)| (u128::from(id), ts)).collect();
        (self.numbers, self.strays) = (VecDeque::new(), Times::default());
        self.unordered = Some(Unordered::of(log));
        self.day_ns = i64::MAX;
    }

    /// Drops blocks from the oldest on that lie before the horizon as a whole; says how many trades.
    pub(super) fn expire(&mut self, floor: i64) -> u64 {
        let mut gone = self.expire_closed(floor);
        if self.blocks.is_empty() && self.open.len > 0 && self.open.ts_max < floor {
            gone += u64::from(self.open.len);
            self.empty();
        }
        gone
    }

    /// The same, but for the block that grows.
    pub(super) fn expire_closed(&mut self, floor: i64) -> u64 {
        let mut gone = 0;
        while self.blocks.front().is_some_and(|block| block.ts_max < floor) {
            gone += self.drop_front();
        }
        gone
    }

    /// Whether the closed block of this number is still held.
    pub(super) fn has_block(&self, block: u64) -> bool {
        self.block(block).is_some()
    }

    /// The closed block of this number, while it is held.
    pub(super) fn block(&self, block: u64) -> Option<&Block> {
        self.blocks.get(usize::try_from(block.checked_sub(self.blocks_gone)?).ok()?)
    }

    /// Drops the oldest closed block; says how many trades it held.
    pub(super) fn drop_front(&mut self) -> u64 {
        let Some(block) = self.blocks.pop_front() else { return 0 };
        self.blocks_gone += 1;
        let len = block.len as usize;
        self.gone += u64::from(block.len);
        match &mut self.unordered {
            Some(unordered) => forget(unordered.log.drain(..len), &mut unordered.times),
            None => forget(self.numbers.drain(..len), &mut self.strays),
        }
        if self.blocks.is_empty() && self.open.len == 0 {
            self.empty();
        }
        u64::from(block.len)
    }

    /// Starts again, but for the numbers of blocks.
    fn empty(&mut self) {
        let Stream { blocks_gone, awaited, .. } = *self;
        *self = Stream { blocks_gone, awaited, ..Stream::new(self.symbol, self.venue) };
    }

    /// Puts a full block behind those that are there, or the one that grows, as it was when it was saved: numbers, of
    /// which those that do not rise are known again as strays.
    pub(super) fn append(&mut self, block: &Block, ids: impl Iterator<Item = (u128, i64)>) {
        let mut next = block.id_min;
        for (id, ts) in ids {
            if let Some(unordered) = &mut self.unordered {
                unordered.add(id, ts);
                continue;
            }
            let (id, day) = (id as u64, day_ns(ts));
            match day == block.day_ns && id >= next {
                true => next = id.saturating_add(1),
                false => drop(self.strays.insert((id, day), ts)),
            }
            self.numbers.push_back((id, ts));
        }
    }
}

/// Forgets of ids that have left the times, unless they are those of newer ones.
fn forget<T: Copy + Eq + Hash>(gone: impl Iterator<Item = (T, i64)>, times: &mut Times<T>) {
    for (id, ts) in gone {
        if times.is_empty() {
            continue;
        }
        let key = (id, day_ns(ts));
        if times.get(&key) == Some(&ts) {
            times.remove(&key);
        }
    }
}

/// Where the UTC day of `ts` begins.
pub(super) fn day_ns(ts: i64) -> i64 {
    Time::from_ns(ts).day().saturating_mul(Time::DAY)
}
