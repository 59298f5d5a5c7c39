//! W1's trades with ids and venues, and corrections among them.

use super::data::{BATCH_ROWS, START_NS, comes_at};
use market::{Offset, Price, Size, SymbolId, Symbols, Time, Trade, TradeId, Trades, TransType};
use std::collections::BTreeMap;

/// Trades of these venues in turn, more or less; each numbers its own.
const VENUES: [&str; 5] = ["XNYS", "ARCX", "XNAS", "BATS", "EDGX"];
/// A tick of W1's prices, in raw units.
const TICK: i64 = 10_000_000;
const MINUTE: i64 = 60 * Time::SECOND;

/// The first minute of the session in which a trade of a hundred bars before is taken back.
const FIRST_MINUTE: i64 = 102;
/// A minute's bars have closed by then, and nothing of the one before is still on its way but what is late.
const CLOSED_NS: i64 = 3 * Time::SECOND;

/// A log in batches as a decoder fills them.
#[derive(Default)]
pub struct Log {
    /// Its batches.
    pub batches: Vec<Trades>,
    /// How many of its records take a trade back or edit one.
    pub corrections: u64,
    rows: u64,
}

impl Log {
    fn push(&mut self, trade: &Trade) {
        if self.batches.last().is_none_or(|batch| batch.len() >= BATCH_ROWS) {
            self.batches.push(Trades::default());
        }
        let trade = Trade { offset: Offset::in_file(0, self.rows), ..*trade };
        self.rows += 1;
        self.corrections += u64::from(trade.trans != TransType::New);
        let batch = self.batches.last_mut().expect("a batch is there");
        batch.push(&trade, SymbolId::default());
    }
}

/// The trades of W1 in log order, each with the time at which it comes.
pub struct Tape<'a> {
    trades: &'a [Trades],
    venues: Vec<SymbolId>,
    count: usize,
}

impl<'a> Tape<'a> {
    /// Of these trades.
    pub fn new(trades: &'a [Trades], symbols: &Symbols) -> Self {
        let venue = |name: &&str| symbols.intern(name.as_bytes()).expect("a printable name");
        let count = trades.iter().map(Trades::len).sum();
        Tape { trades, venues: VENUES.iter().map(venue).collect(), count }
    }

    fn rows(&self) -> impl Iterator<Item = (i64, Trade)> + '_ {
        let mut issued = [52_983; VENUES.len()];
        let rows = self.trades.iter().flat_map(|batch| (0..batch.len()).map(|row| batch.row(row)));
        rows.enumerate().map(move |(row, trade)| {
            let at = (mixed(row as u64) % VENUES.len() as u64) as usize;
            issued[at] += 1;
            let trade_id = TradeId::from_number(issued[at]);
            let venue = Some(self.venues[at]);
            (comes_at(row, self.count), Trade { trade_id, venue, ..trade })
        })
    }

    /// The log without a correction.
    pub fn plain(&self) -> Log {
        self.corrected(0)
    }

    /// So many of a million trades are corrected 1 to 60 s after they came, half of them taken back and half given
    /// another price and size.
    pub fn corrected(&self, of_a_million: u64) -> Log {
        let mut log = Log::default();
        let mut due: BTreeMap<(i64, usize), Trade> = BTreeMap::new();
        for (number, (now, trade)) in self.rows().enumerate() {
            while let Some(entry) = due.first_entry().filter(|entry| entry.key().0 <= now) {
                log.push(&entry.remove());
            }
            log.push(&trade);
            let dice = mixed(!(number as u64));
            if dice % 1_000_000 < of_a_million {
                let wait = Time::SECOND + (mixed(dice) % (59 * Time::SECOND as u64)) as i64;
                due.insert((now + wait, number), correction(&trade, dice >> 32));
            }
        }
        due.values().for_each(|correction| log.push(correction));
        log
    }

    /// About so many trades are taken back, each the last of a bar that closed: `back` 1 is the newest. All indicators
    /// change from there on, so nothing that follows can be left out.
    pub fn busted(&self, back: i64, wanted: usize, symbols: &[SymbolId]) -> Log {
        let mut lasts: BTreeMap<(i64, SymbolId), Trade> = BTreeMap::new();
        let mut log = Log::default();
        let minutes = 390 - FIRST_MINUTE;
        let pause = (minutes * (MINUTE - CLOSED_NS)) / wanted.max(1) as i64;
        let (mut due, mut next) = (START_NS + FIRST_MINUTE * MINUTE + CLOSED_NS, 0);
        for (now, trade) in self.rows() {
            let minute = now.div_euclid(MINUTE);
            while due <= now && now - minute * MINUTE >= CLOSED_NS {
                let found = (0..symbols.len()).find_map(|more| {
                    let symbol = symbols[(next + more) * 7 % symbols.len()];
                    next += more;
                    lasts.remove(&(minute - back, symbol))
                });
                found.iter().for_each(|trade| log.push(&correction(trade, 0)));
                (due, next) = (due + pause, next + 1);
                // What would be due while bars close comes behind.
                if due.rem_euclid(MINUTE) < CLOSED_NS {
                    due = due.div_euclid(MINUTE) * MINUTE + CLOSED_NS;
                }
            }
            log.push(&trade);
            let key = (trade.ts_event.ns().div_euclid(MINUTE), trade.symbol);
            let last = lasts.entry(key).or_insert(trade);
            if trade.ts_event >= last.ts_event {
                *last = trade;
            }
        }
        log
    }
}

/// Takes a trade back, or gives it another price and size.
fn correction(trade: &Trade, dice: u64) -> Trade {
    if dice.is_multiple_of(2) {
        return Trade { trans: TransType::Cancel, ..*trade };
    }
    let steps = [-2, -1, 1, 2][(dice / 2 % 4) as usize];
    let price = Price::from_raw((trade.price.raw() + steps * TICK).max(TICK));
    let size = Size::from_raw(trade.size.raw() + 1_000_000_000);
    Trade { trans: TransType::Replace, price, size, ..*trade }
}

/// A number that looks like no other.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
