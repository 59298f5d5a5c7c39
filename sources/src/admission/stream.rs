//! The ids of one symbol at one venue, in log order, in blocks that know their least and greatest.
//!
//! Ids that mostly rise are kept as they came: a look-up walks blocks from the newest back, skips those
//! whose range excludes the id, and stops where every older id of the day is below it. Ids that are
//! text, or that make look-ups walk more than a few steps a trade, are moved to a hash map, so that no
//! order of ids makes it quadratic. An emptied stream starts again without it.

use super::fold::FoldState;
use super::poured::Poured;
use market::{SymbolId, Time, TradeId};
use std::collections::{HashMap, VecDeque};

/// Trades of a block.
pub(super) const BLOCK_TRADES: u32 = 64;

/// Steps that look-ups may walk before, and for each trade, until a hash map pays.
const STEPS_FREE: u64 = 1_024;
const STEPS_PER_TRADE: u64 = 4;

/// A run of trades of one day, in log order.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) len: u32,
    pub(super) day_ns: i64,
    pub(super) ts_max: i64,
    pub(super) id_min: u64,
    pub(super) id_max: u64,
    /// Greatest id of this and every older block of the newest day; the greatest of all in another.
    pub(super) id_reach: u64,
}

/// Ids as text or without order.
#[derive(Default)]
pub(super) struct Unordered {
    pub(super) log: VecDeque<(u128, i64)>,
    /// By id and day: the time of the newest such trade.
    times: HashMap<(u128, i64), i64, FoldState>,
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
    /// The block that grows; of no trades when none does.
    pub(super) open: Block,
    pub(super) rising: VecDeque<(u64, i64)>,
    pub(super) kept: u64,
    pub(super) steps: u64,
    /// Closed blocks, which are numbered from `blocks_gone` on.
    pub(super) blocks: VecDeque<Block>,
    pub(super) blocks_gone: u64,
    pub(super) unordered: Option<Box<Unordered>>,
    /// What checkpoints hold of it already.
    pub(super) poured: Poured,
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
            open: Block::default(),
            rising: VecDeque::new(),
            blocks: VecDeque::new(),
            blocks_gone: 0,
            unordered: None,
            steps: 0,
            kept: 0,
            poured: Poured::default(),
        }
    }

    /// Trades held.
    pub(super) fn len(&self) -> u64 {
        match &self.unordered {
            None => self.rising.len() as u64,
            Some(unordered) => unordered.log.len() as u64,
        }
    }

    /// Whether `id` is above all ids of the newest day, and of that day.
    #[inline(always)]
    pub(super) fn rises(&self, id: TradeId, ts: i64) -> bool {
        let id = id.raw();
        let into_day = (ts as u64).wrapping_sub(self.day_ns as u64);
        id > u128::from(self.greatest)
            && id <= u128::from(u64::MAX)
            && ts >= self.day_ns
            && into_day < Time::DAY as u64
    }

    /// Whether the horizon, which begins at `floor`, holds a trade of the same id and day.
    pub(super) fn holds(&mut self, id: TradeId, ts: i64, floor: i64) -> bool {
        if let Some(unordered) = &self.unordered {
            let key = (id.raw(), day_ns(ts));
            return unordered.times.get(&key).is_some_and(|&ts| ts >= floor);
        }
        match u64::try_from(id.raw()) {
            Ok(number) => !self.rises(id, ts) && self.walk(number, ts, floor),
            // Text, and all that is held are numbers.
            Err(_) => false,
        }
    }

    fn walk(&mut self, id: u64, ts: i64, floor: i64) -> bool {
        let day_ns = day_ns(ts);
        let mut end = self.rising.len();
        for block in std::iter::once(&self.open).chain(self.blocks.iter().rev()) {
            self.steps += 1;
            let start = end - block.len as usize;
            if block.day_ns == day_ns && block.len > 0 {
                if block.id_reach < id {
                    return false;
                }
                if (block.id_min..=block.id_max).contains(&id) && block.ts_max >= floor {
                    self.steps += u64::from(block.len);
                    let mut rows = self.rising.range(start..end);
                    if rows.any(|&(other, ts)| other == id && ts >= floor) {
                        return true;
                    }
                }
            }
            end = start;
        }
        false
    }

    /// Keeps an admitted trade's id; says the number of the block that it closed.
    #[inline(always)]
    pub(super) fn keep(&mut self, id: TradeId, ts: i64) -> Option<u64> {
        let is_calm = self.open.len.wrapping_sub(1) < BLOCK_TRADES - 2;
        if is_calm && self.open.day_ns == self.day_ns && self.rises(id, ts) {
            let id = id.raw() as u64;
            self.open.len += 1;
            self.open.ts_max = self.open.ts_max.max(ts);
            self.open.id_max = id;
            self.open.id_reach = id;
            self.greatest = id;
            self.kept += 1;
            self.rising.push_back((id, ts));
            return None;
        }
        self.keep_any(id, ts)
    }

    #[inline(never)]
    fn keep_any(&mut self, id: TradeId, ts: i64) -> Option<u64> {
        self.kept += 1;
        let number = u64::try_from(id.raw()).ok();
        if number.is_none() || self.steps > STEPS_FREE + STEPS_PER_TRADE * self.kept {
            self.forget_order();
        }
        let day_ns = day_ns(ts);
        if let Some(unordered) = &mut self.unordered {
            unordered.add(id.raw(), ts);
            return self.extend_open(day_ns, ts, 0, u64::MAX);
        }
        let number = number.unwrap_or_default();
        if self.rising.is_empty() || day_ns > self.day_ns {
            (self.day_ns, self.greatest) = (day_ns, number);
        } else if day_ns == self.day_ns {
            self.greatest = self.greatest.max(number);
        }
        let reach = if day_ns == self.day_ns { self.greatest } else { u64::MAX };
        self.rising.push_back((number, ts));
        self.extend_open(day_ns, ts, number, reach)
    }

    fn extend_open(&mut self, day_ns: i64, ts: i64, id: u64, reach: u64) -> Option<u64> {
        let mut closed = None;
        if self.open.len > 0 && self.open.day_ns != day_ns {
            closed = Some(self.close());
        }
        let open = &mut self.open;
        if open.len == 0 {
            *open = Block { len: 1, day_ns, ts_max: ts, id_min: id, id_max: id, id_reach: reach };
            return closed;
        }
        open.len += 1;
        open.ts_max = open.ts_max.max(ts);
        open.id_min = open.id_min.min(id);
        open.id_max = open.id_max.max(id);
        open.id_reach = open.id_reach.max(reach);
        if open.len == BLOCK_TRADES { Some(self.close()) } else { closed }
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
        let log: VecDeque<_> = self.rising.drain(..).map(|(id, ts)| (u128::from(id), ts)).collect();
        self.rising = VecDeque::new();
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
        self.poured.ids = self.poured.ids.saturating_sub(len);
        if let Some(unordered) = &mut self.unordered {
            for (id, ts) in unordered.log.drain(..len) {
                let key = (id, day_ns(ts));
                if unordered.times.get(&key) == Some(&ts) {
                    unordered.times.remove(&key);
                }
            }
        } else {
            self.rising.drain(..len);
        }
        if self.blocks.is_empty() && self.open.len == 0 {
            self.empty();
        }
        u64::from(block.len)
    }

    /// Starts again, but for the numbers of blocks.
    fn empty(&mut self) {
        let blocks_gone = self.blocks_gone;
        *self = Stream { blocks_gone, ..Stream::new(self.symbol, self.venue) };
    }
}

/// Where the UTC day of `ts` begins.
fn day_ns(ts: i64) -> i64 {
    Time::from_ns(ts).day().saturating_mul(Time::DAY)
}
