//! Forty minutes of a consolidated tape around an open of New York (13:30 UTC that day), constructed: two symbols of
//! tape A, the venues that trade them, their ids and sale conditions, and what went wrong.
//!
//! Records stand in their order of arrival: exchanges report within milliseconds, the facility for trades off exchanges
//! (FINN) within a second. Everything is computed from the numbers of the trades, so every run writes the same file.

use market::{Time, TransType};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// 2024-03-12T00:00:00Z.
const DAY: i64 = 1_710_201_600 * Time::SECOND;
const MS: i64 = 1_000_000;
const MINUTES: i64 = 40;
/// Minutes before the open.
const EARLY: i64 = 6;
const BEGIN: i64 = DAY + (13 * 60 + 24) * 60 * Time::SECOND;

/// Symbol and first price in cents.
const SYMBOLS: [(&str, i64); 2] = [("TIDE", 10_140), ("WEIR", 3_810)];
/// Venue, its trades of a hundred, and where its ids begin: each venue numbers its own, and one does so in letters.
const VENUES: [(&str, u64, u64); 6] = [
    ("XNYS", 30, 52_983),
    ("XNAS", 22, 118_402),
    ("ARCX", 14, 52_983_525_027),
    ("BATS", 12, 0),
    ("IEXG", 4, 26_071_183),
    ("FINN", 18, 71_675_241_580),
];

/// One line of the file.
#[derive(Clone, Debug)]
pub struct Record {
    pub symbol: &'static str,
    /// When it happened.
    pub ts: i64,
    /// When it came.
    pub came: i64,
    pub cents: i64,
    pub size: i64,
    pub id: String,
    pub venue: &'static str,
    pub conditions: &'static str,
    pub trans: TransType,
}

/// The log, and on which line (from 1, behind the header) the records stand that the story is about.
pub struct Tape {
    pub records: Vec<Record>,
    pub lines: BTreeMap<&'static str, usize>,
}

/// A record, and what the story calls it; nothing for the crowd.
type Named = (&'static str, Record);

impl Tape {
    /// The session with all its mishaps.
    pub fn new() -> Self {
        let mut trades: Vec<Named> = Vec::new();
        for (symbol, cents) in SYMBOLS {
            trades.extend(crowd(symbol, cents).into_iter().map(|trade| ("", trade)));
        }
        trades.extend(mishaps());
        number(&mut trades);
        let corrections = corrections(&trades);
        trades.extend(corrections);
        trades.sort_by_key(|(_, record)| record.came);
        let lines = trades.iter().enumerate().map(|(at, (name, _))| (*name, at + 1));
        let lines = lines.filter(|(name, _)| !name.is_empty()).collect();
        Tape { records: trades.into_iter().map(|(_, record)| record).collect(), lines }
    }

    /// The record of a name.
    pub fn named(&self, name: &str) -> (usize, &Record) {
        let line = self.lines[name];
        (line, &self.records[line - 1])
    }

    /// The corrected log, by hand: each cancelled trade taken out, each replaced one edited, in order of time and place.
    pub fn corrected(&self) -> Vec<Record> {
        let key = |record: &Record| (record.symbol, record.venue, record.id.clone());
        let of = |trans| self.records.iter().filter(move |record| record.trans == trans);
        let cancelled: BTreeSet<_> = of(TransType::Cancel).map(key).collect();
        let edits: BTreeMap<_, _> = of(TransType::Replace).map(|edit| (key(edit), edit)).collect();
        let mut trades: Vec<Record> = Vec::new();
        for trade in of(TransType::New).filter(|trade| !cancelled.contains(&key(trade))) {
            let edit = *edits.get(&key(trade)).unwrap_or(&trade);
            let Record { ts, cents, size, conditions, .. } = *edit;
            trades.push(Record { ts, cents, size, conditions, ..trade.clone() });
        }
        trades.sort_by_key(|trade| trade.ts);
        trades
    }
}

/// Records as a file.
pub fn csv(records: &[Record]) -> String {
    let mut text =
        "symbol,ts_event,price,size,trade_id,venue,conditions,trans_type,ts_recv\n".to_owned();
    for record in records {
        let Record { symbol, venue, id, conditions, trans, .. } = record;
        let came = Time::from_ns(record.came);
        // Of a cancel only the name of its trade counts.
        let said = match trans {
            TransType::Cancel => ",,".to_owned(),
            _ => format!("{},{},{}", Time::from_ns(record.ts), price(record.cents), record.size),
        };
        let trans = trans.name();
        // Writing to a String does not fail.
        let _ = writeln!(text, "{symbol},{said},{id},{venue},{conditions},{trans},{came}");
    }
    text
}

/// Cents as dollars.
pub fn price(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// A time of that day.
pub const fn at(hour: i64, minute: i64, second: i64, ms: i64) -> i64 {
    DAY + ((hour * 60 + minute) * 60 + second) * Time::SECOND + ms * MS
}

/// What a symbol trades when nothing goes wrong.
fn crowd(symbol: &'static str, first: i64) -> Vec<Record> {
    let seed = mixed(first as u64);
    let (mut trades, mut cents) = (Vec::new(), first);
    for minute in 0..MINUTES {
        let dice = mixed(seed ^ minute as u64);
        let is_early = minute < EARLY;
        let count = if is_early { 2 } else { 12 + (dice % 6) as i64 };
        // The market opens with the print of its auction.
        let begin = if minute == EARLY { 3_000 } else { 0 };
        for nth in 0..count {
            let dice = mixed(dice.wrapping_add(nth as u64));
            let step = (60_000 - begin) / count;
            let ms = begin + nth * step + (dice % step as u64) as i64;
            cents += (dice >> 8) as i64 % 5 - 2 + (first - cents) / 16;
            let ts = BEGIN + minute * 60 * Time::SECOND + ms * MS;
            let venue = venue(dice >> 24);
            let (size, conditions) = match (dice >> 16) % 8 {
                _ if is_early => (100, "@ T"),
                0 => (1 + (dice >> 32) as i64 % 99, "@ F I"),
                1 | 2 => (1 + (dice >> 32) as i64 % 99, "@ I"),
                3 | 4 => (100 * (1 + (dice >> 32) as i64 % 4), "@ F"),
                _ => (100 * (1 + (dice >> 32) as i64 % 4), "@"),
            };
            let trade = trade(symbol, (ts, reported(venue, ts, dice)), cents, size);
            trades.push(Record { venue, conditions, ..trade });
        }
    }
    trades
}

/// The trades that the story is about.
fn mishaps() -> Vec<Named> {
    let regular = |ts, cents, size, venue| Record {
        venue,
        ..trade("TIDE", (ts, reported(venue, ts, cents as u64)), cents, size)
    };
    let (slip, moved) = (at(13, 47, 59, 412), at(13, 53, 0, 118));
    let (late, early) = (at(13, 54, 59, 871), at(13, 56, 21, 40));
    vec![
        (
            "open",
            Record { conditions: "O X", ..regular(at(13, 30, 1, 204), 10_142, 184_300, "XNYS") },
        ),
        (
            "official",
            Record { conditions: "Q", ..regular(at(13, 30, 1, 950), 10_142, 184_300, "XNYS") },
        ),
        ("slip", Record { conditions: "@ F", ..regular(slip, 101_350, 300, "XNAS") }),
        (
            "average",
            Record { conditions: "@ B", ..regular(at(13, 49, 10, 300), 9_871, 25_000, "FINN") },
        ),
        ("swapped", regular(at(13, 50, 22, 615), 10_510, 200, "XNYS")),
        ("moved", regular(moved, 10_147, 500, "XNYS")),
        ("late", Record { came: at(13, 55, 49, 102), ..regular(late, 10_133, 400, "ARCX") }),
        ("overtaken", Record { came: at(13, 56, 25, 7), ..regular(early, 10_302, 100, "IEXG") }),
    ]
}

/// What came of them later.
fn corrections(trades: &[Named]) -> Vec<Named> {
    let of = |name: &str| {
        let found = trades.iter().find(|(other, _)| *other == name);
        found.map(|(_, trade)| trade.clone()).expect("a trade of the story")
    };
    let cancel = |name, came| Record { came, trans: TransType::Cancel, ..of(name) };
    let replace = |name, came| Record { came, trans: TransType::Replace, ..of(name) };
    let nobody = "54117".to_owned();
    vec![
        ("bust", cancel("slip", at(13, 48, 39, 430))),
        ("swapped back", Record { cents: 10_150, ..replace("swapped", at(13, 51, 41, 9)) }),
        ("moved back", Record { ts: at(13, 52, 59, 871), ..replace("moved", at(13, 54, 30, 255)) }),
        ("overtaking", cancel("overtaken", at(13, 56, 22, 311))),
        ("bust again", cancel("slip", at(13, 56, 40, 18))),
        ("unknown", Record { id: nobody, ..cancel("moved", at(13, 57, 10, 700)) }),
    ]
}

/// Gives every trade its venue's next id; others, which nobody sees here, have the ones between.
fn number(trades: &mut [Named]) {
    trades.sort_by_key(|(_, trade)| trade.ts);
    let mut issued: BTreeMap<&str, u64> = VENUES.iter().map(|(name, _, id)| (*name, *id)).collect();
    for (nth, (_, trade)) in trades.iter_mut().enumerate() {
        let next = issued.get_mut(trade.venue).expect("a known venue");
        *next += 1 + mixed(nth as u64) % 7;
        trade.id = match trade.venue {
            "BATS" => format!("2C8Q{next:05X}"),
            _ => next.to_string(),
        };
    }
}

fn trade(symbol: &'static str, (ts, came): (i64, i64), cents: i64, size: i64) -> Record {
    let (id, venue, trans) = (String::new(), "XNYS", TransType::New);
    Record { symbol, ts, came, cents, size, id, venue, conditions: "@", trans }
}

fn venue(dice: u64) -> &'static str {
    let mut left = dice % 100;
    for (name, share, _) in VENUES {
        if left < share {
            return name;
        }
        left -= share;
    }
    VENUES[0].0
}

/// When a venue's report of a trade comes.
fn reported(venue: &str, ts: i64, dice: u64) -> i64 {
    let ms = if venue == "FINN" { 80 + dice % 800 } else { 1 };
    ts + ms as i64 * MS + (dice % 900) as i64 * 1_000
}

/// A number that looks like no other.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
