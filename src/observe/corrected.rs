//! Metrics of corrections: what was taken back or edited.

use super::metrics::{Metric, Of};
use super::seen::{Seen, SeenPartition};

fn corrected(seen: &Seen, put: &mut dyn FnMut(&[&str], f64)) {
    for SeenPartition { known, number, .. } in &seen.partitions {
        let number = number.to_string();
        put(&[&known.name, &number, "cancel"], known.counts.cancelled as f64);
        put(&[&known.name, &number, "replace"], known.counts.replaced as f64);
        put(&[&known.name, &number, "exclude"], known.counts.excluded as f64);
    }
}

pub(super) const METRICS: &[Metric] = &[Metric {
    name: "tidemill_trades_corrected",
    unit: "trades",
    labels: &["partition", "number", "kind"],
    help: "Trades that records took back (cancel) or edited (replace), and that exclusions took back",
    of: Of::Counter(corrected),
}];
