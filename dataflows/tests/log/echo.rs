//! A judge whose verdicts show in what order it was given trades.

use super::HORIZON;
use dataflows::PoolPlan;
use market::{Counts, Judge, PartitionError, Reason, Refused, SymbolId, Symbols, Time, Trade};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Refuses a trade whose price stands in the same tenth as the one before it of its symbol: whatever order it is given
/// trades in, what becomes of them shows it. What is refused is remembered like the rest.
pub struct Echo {
    symbols: Symbols,
    last: BTreeMap<SymbolId, (i64, u64)>,
}

impl Echo {
    /// The pool of a plan, behind the first log if that leads.
    pub fn pool(symbols: &Symbols, behind: Option<u32>) -> PoolPlan {
        let symbols = symbols.clone();
        let make = move || {
            let (symbols, last) = (symbols.clone(), BTreeMap::new());
            Box::new(Echo { symbols, last }) as Box<dyn Judge>
        };
        PoolPlan { horizon_ns: HORIZON, behind, judge: Arc::new(make) }
    }
}

impl Judge for Echo {
    fn judge(&mut self, trade: &Trade, _: Time) -> Result<(), Refused> {
        let tenth = trade.price.raw() / 10_000_000 / 20;
        let (last, refused) = self.last.entry(trade.symbol).or_insert((-1, 0));
        if std::mem::replace(last, tenth) != tenth {
            return Ok(());
        }
        *refused += 1;
        Err(Refused { reason: Reason::Outlier, detail: String::new(), raw: String::new() })
    }

    fn follow(&mut self, _: &[u8], _: &dyn Fn(SymbolId) -> bool) -> Result<(), PartitionError> {
        Ok(())
    }

    fn snapshot(&self, of: &dyn Fn(SymbolId) -> bool) -> Vec<u8> {
        let mine = self.last.iter().filter(|(symbol, _)| of(**symbol));
        let lines = mine.map(|(symbol, (last, refused))| {
            format!("{} {last} {refused}\n", self.symbols.text(*symbol))
        });
        lines.collect::<String>().into_bytes()
    }

    fn restore(
        &mut self,
        of: &dyn Fn(SymbolId) -> bool,
        from: &[u8],
    ) -> Result<(), PartitionError> {
        for line in std::str::from_utf8(from).unwrap().lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let symbol = self.symbols.intern(words[0].as_bytes()).unwrap();
            if of(symbol) {
                let known = (words[1].parse().unwrap(), words[2].parse().unwrap());
                assert!(self.last.insert(symbol, known).is_none(), "twice: {line}");
            }
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        counts.refused[Reason::Outlier as usize] = self.last.values().map(|known| known.1).sum();
        counts
    }
}
