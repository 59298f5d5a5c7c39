//! Logs that are admitted already, and a plan over them, for laws over whole graphs.

mod blocks;
pub mod echo;

use blocks::Blocks;
use dataflows::{Course, Empty, Horizons, IndicatorPlan, Plan};
use market::{
    Admitted, Counts, Epoch, EpochLength, Offset, Partition, PartitionError, Polled, Price, Rows,
    Run, Scale, Scales, Sealed, Size, Symbols, Time, Waker,
};
use operators::indicator::Registry;
use proptest::prelude::*;

const LATENESS: i64 = 2 * Time::SECOND;
const HORIZON: i64 = 180 * Time::SECOND;

/// A trade: time, symbol's name, price, size.
#[derive(Clone, Debug)]
pub struct Trade {
    pub ts: i64,
    pub symbol: String,
    pub price: i64,
    pub size: i64,
}

/// A partition over a log in memory, cut as told; every poll in `slow` finds nothing at first.
pub struct Log {
    trades: std::vec::IntoIter<Trade>,
    symbols: Symbols,
    watermark: i64,
    cuts: Vec<usize>,
    polls: usize,
    slow: usize,
    row: u64,
    waker: Option<Waker>,
    /// Whether it is read behind the first log, and whether that has not ended.
    follows: bool,
    waits: bool,
    /// Where its watermark begins, before its first trade.
    begins: Option<Epoch>,
    pooled: bool,
    blocks: Blocks,
}

impl Log {
    pub fn new(trades: Vec<Trade>, symbols: &Symbols, cuts: Vec<usize>, slow: usize) -> Self {
        let (trades, symbols) = (trades.into_iter(), symbols.clone());
        let (polls, row, waker, watermark) = (0, 0, None, i64::MIN);
        let (follows, waits, begins, pooled) = (false, false, None, false);
        Log {
            trades,
            symbols,
            watermark,
            cuts,
            polls,
            slow,
            row,
            waker,
            follows,
            waits,
            begins,
            pooled,
            blocks: Blocks::default(),
        }
    }

    /// Has its trades judged by an [`echo::Echo`], where `pooled`.
    pub fn in_pool(mut self, pooled: bool) -> Self {
        self.pooled = pooled;
        self
    }

    /// Waits for the first log to end.
    pub fn following(mut self) -> Self {
        (self.follows, self.waits) = (true, true);
        self
    }

    /// Has its watermark begin where an epoch does.
    pub fn begin(&mut self, epoch: Epoch) {
        (self.begins, self.watermark) = (Some(epoch), epoch * Time::SECOND);
    }

    /// Goes on from what [`Partition::cut`] gave, and the blocks behind it.
    pub fn restore(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let words: Vec<u64> =
            bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let gone = self.trades.len() - words[0] as usize;
        self.trades.by_ref().take(gone).for_each(drop);
        (self.watermark, self.row) = (words[1].cast_signed(), words[2]);
        self.blocks = Blocks::restored(&words[3..], self.row);
    }

    fn admit(&mut self, trade: &Trade, to: &mut Admitted) {
        self.row += 1;
        self.watermark = self.watermark.max(trade.ts - LATENESS);
        if trade.ts < self.watermark - HORIZON {
            return;
        }
        let row = to.trades.len() as u32;
        let epoch = self.watermark.div_euclid(Time::SECOND);
        match to.runs.last_mut() {
            Some(run) if run.epoch == epoch => run.rows.end = row + 1,
            _ => to.runs.push(Run { epoch, rows: row..row + 1 }),
        }
        to.trades.ts_event.push(Time::from_ns(trade.ts));
        to.trades.symbol.push(self.symbols.intern(trade.symbol.as_bytes()).unwrap());
        to.trades.price.push(Price::from_raw(trade.price));
        to.trades.size.push(Size::from_raw(trade.size));
        to.trades.offset.push(Offset::in_file(0, self.row));
    }
}

impl Partition for Log {
    fn pool(&self) -> Option<u32> {
        self.pooled.then_some(0)
    }

    fn name(&self) -> String {
        "log".to_owned()
    }

    fn behind(&self) -> Option<u32> {
        self.follows.then_some(0)
    }

    fn follow(&mut self, before: &[u8]) -> Result<(), PartitionError> {
        self.waits = false;
        if self.watermark == i64::MIN {
            let words = before.as_chunks::<8>().0;
            self.watermark = i64::from_le_bytes(words[1]);
            self.begins = (self.watermark > i64::MIN).then_some(self.watermark / Time::SECOND);
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Polled, PartitionError> {
        assert!(!self.waits, "it is read behind another log");
        self.polls += 1;
        if self.slow > 0 && !self.polls.is_multiple_of(self.slow + 1) {
            let waker = self.waker.clone().unwrap();
            std::thread::spawn(move || waker());
            return Ok(Polled::Pending);
        }
        if let Some(epoch) = self.begins.take() {
            let mut batch = Admitted::default();
            batch.runs.push(Run { epoch, rows: 0..0 });
            return Ok(Polled::Batch(Box::new(batch)));
        }
        let rows = self.cuts[self.polls % self.cuts.len()];
        let trades: Vec<Trade> = self.trades.by_ref().take(rows).collect();
        if trades.is_empty() {
            return Ok(Polled::End);
        }
        let mut batch = Admitted::default();
        trades.iter().for_each(|trade| self.admit(trade, &mut batch));
        Ok(Polled::Batch(Box::new(batch)))
    }

    fn is_at_end(&self) -> bool {
        true
    }

    fn recycle(&mut self, _batch: Box<Admitted>) {}

    fn snapshot(&self, to: &mut Vec<u8>) -> bool {
        if !self.waits || self.watermark > i64::MIN {
            let words = [self.trades.len() as u64, self.watermark.cast_unsigned(), self.row];
            to.extend(words.into_iter().flat_map(u64::to_le_bytes));
        }
        true
    }

    fn cut(&mut self, state: &mut Vec<u8>, block: &mut Vec<u8>) -> Option<Sealed> {
        let before = state.len();
        let later = if self.waits { None } else { self.blocks.add(self.row, block) };
        self.snapshot(state);
        if state.len() > before {
            state.extend(self.blocks.first().to_le_bytes());
        }
        Some(Sealed { later, needed: self.blocks.needed() })
    }

    fn wake_by(&mut self, waker: Waker) {
        self.waker = Some(waker);
    }

    fn counts(&self) -> Counts {
        Counts { read: self.row, ..Counts::default() }
    }

    fn progress(&self) -> Option<f64> {
        None
    }
}

/// Every row as text.
pub fn lines_of(rows: &Rows) -> impl Iterator<Item = String> + '_ {
    rows.keys.iter().enumerate().map(|(at, key)| {
        let cells: Vec<String> = (0..rows.table.columns.len())
            .map(|column| format!("{:?}", rows.cell(at, column)))
            .collect();
        let (symbol, known) = (rows.symbols.text(key.symbol), rows.known_at[at]);
        format!(
            "{} {symbol} {} {} epoch {} revision {} known {known} {}",
            rows.table.name,
            key.width,
            key.ts_open,
            key.epoch,
            key.revision,
            cells.join(" ")
        )
    })
}

pub fn plan(empty: Empty, symbols: &Symbols) -> Plan {
    let widths: Vec<_> = ["10s", "15s", "1min", "1h"].map(|w| w.parse().unwrap()).to_vec();
    let registry = Registry::standard();
    let list = ["sma(3)", "ema(4)", "rsi(3)", "macd(2,4,3)", "bb(3,2)", "vwap(session)"];
    let list = list.map(|text| registry.parse(text).unwrap()).to_vec();
    let indicators = vec![
        IndicatorPlan { widths: vec![widths[0], widths[2]], list: list[..4].to_vec() },
        IndicatorPlan { widths: vec![widths[2]], list: list[3..].to_vec() },
    ];
    Plan {
        epoch: EpochLength::SECOND,
        lateness_ns: LATENESS,
        horizons: Horizons::all(HORIZON),
        course: Course::default(),
        pools: Vec::new(),
        widths,
        empty,
        indicators,
        symbols: symbols.clone(),
    }
}

/// Scales of their own, which two of the symbols have.
pub fn coarse() -> Scales {
    let scale = |digits| Scale::new(digits).expect("a scale");
    Scales { price: scale(7), size: scale(8) }
}

pub fn logs() -> impl Strategy<Value = Vec<Vec<Trade>>> {
    let step = prop_oneof![20 => 0i64..900, 1 => 10_000i64..100_000];
    let delay = prop_oneof![8 => Just(0i64), 1 => 0i64..2_000, 1 => 0i64..90_000];
    let trade = (step, delay, 0u8..7, 1i64..200, 1i64..9);
    let log = prop::collection::vec(trade, 0..250);
    prop::collection::vec(log, 1..5).prop_map(|logs| {
        let stamp = |log: Vec<(i64, i64, u8, i64, i64)>| {
            let mut head = 1_700_000_000_000;
            let trade = |(step, delay, symbol, price, size)| {
                head += step;
                let (ts, symbol) = ((head - delay) * 1_000_000, format!("S{symbol}"));
                Trade { ts, symbol, price: price * 10_000_000, size: size * 1_000_000_000 }
            };
            log.into_iter().map(trade).collect()
        };
        logs.into_iter().map(stamp).collect()
    })
}

/// Fails with the first line that differs.
pub fn same(a: &[String], b: &[String]) -> Result<(), TestCaseError> {
    let differs = a.iter().zip(b).find(|(a, b)| a != b);
    prop_assert!(
        differs.is_none() && a.len() == b.len(),
        "{} and {} lines, first {differs:#?}",
        a.len(),
        b.len()
    );
    Ok(())
}
