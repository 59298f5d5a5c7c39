//! The laws of the glue, over bars, roll-ups and indicators together: however trades come, are changed, are taken
//! back and return, what is there in the end is what a clean pass over the trades that are left would make; only
//! what differs is handed out, and counted; and taken apart by symbol between any two epochs and put together in
//! new instances, the glue goes on as if nothing had happened.

mod chain;
mod clean;
mod ledger;

use super::Empty;
use chain::Chain;
use ledger::{Ledger, events};
use market::{SymbolId, Symbols};
use operators::indicator::{Registry, Spec};
use proptest::prelude::*;

/// The indicators of every lane.
fn specs() -> Vec<Spec> {
    let list = "ema(3),sma(4),macd(2,3,2)";
    Registry::standard().parse_list(list).expect("a list of known indicators")
}

fn symbols() -> Vec<SymbolId> {
    let table = Symbols::default();
    ["A", "B", "C"].map(|name| table.intern(name.as_bytes()).expect("a name")).to_vec()
}

proptest! {
    #[test]
    fn what_is_left_is_what_a_clean_pass_makes_wherever_it_is_cut(
        events in events(),
        cuts in prop::collection::btree_set(100i64..500, 0..12),
        // How far behind an epoch's end the log's head is known to be.
        lag in -4i64..9,
        early: bool,
        carry: bool,
    ) {
        let empty = if carry { Empty::Carry } else { Empty::Skip };
        let symbols = symbols();
        let mut ledger = Ledger::new(&events, &symbols, early);
        let (mut whole, mut parts) = (Chain::new(empty), Chain::new(empty));
        for epoch in 100..ledger.end {
            if cuts.contains(&epoch) {
                // Where the head is behind, what was read of it is not behind the cut.
                if lag <= 0 {
                    parts.read_ahead(epoch);
                }
                parts = parts.cut(epoch, empty);
            }
            let rows = ledger.epoch(epoch);
            prop_assert_eq!(whole.epoch(epoch, lag, &rows), parts.epoch(epoch, lag, &rows), "epoch {}", epoch);
            prop_assert_eq!(whole.bars.next_carry(), parts.bars.next_carry(), "epoch {}", epoch);
            if !rows.is_empty() || cuts.contains(&epoch) || epoch + 1 == ledger.end {
                let clean = clean::rows(ledger.trades(), &symbols, &whole, early);
                prop_assert_eq!(whole.there(), clean, "epoch {}", epoch);
            }
        }
        prop_assert_eq!(whole.bars.spread_symbols(), parts.bars.spread_symbols());
        prop_assert_eq!(whole.bars.spread_symbols(), ledger.spread_symbols());
    }
}
