//! A log for laws that are about something only where checkpoints are written.

use super::log::Trade;

/// A log long enough that checkpoints are written, so that the law above is about something.
pub fn long_log() -> Vec<Vec<Trade>> {
    let trade = |k: i64| Trade {
        ts: (1_700_000_000_000 + k * 400 - k % 7 * 300) * 1_000_000,
        symbol: format!("S{}", k % 7),
        price: (1 + k % 50) * 10_000_000,
        size: 1_000_000_000,
    };
    vec![(0..6_000).map(trade).collect(), (0..3_000).map(|k| trade(2 * k)).collect()]
}
