//! The hot loop: rows that cannot be refused, admitted in one pass over the columns.

use super::{Admission, OutlierMode};
use market::{TradeId, Trades};
use std::ops::Range;

/// Whether price and size are above zero and their product below 2^103 raw units.
#[inline(always)]
pub(super) fn fits(price: i64, size: i64) -> bool {
    let product = (i128::from(price) * i128::from(size)) >> 64;
    ((price - 1) | (size - 1)) >= 0 && (product as i64) < 1 << 39
}

impl Admission {
    /// Admits rows from the start of `rows` on, up to the first that needs a second look; says which.
    #[inline]
    pub(super) fn admit_calm(&mut self, trades: &Trades, rows: Range<usize>) -> usize {
        let is_pooled = self.config.is_pooled;
        let judged = self.config.outliers.mode != OutlierMode::Off && !is_pooled;
        let has_ids = !trades.trade_id.is_empty() && !is_pooled;
        match (has_ids, !trades.venue.is_empty(), judged) {
            (false, _, false) => self.stretch::<false, false, false>(trades, rows),
            (false, _, true) => self.stretch::<false, false, true>(trades, rows),
            (true, false, false) => self.stretch::<true, false, false>(trades, rows),
            (true, false, true) => self.stretch::<true, false, true>(trades, rows),
            (true, true, false) => self.stretch::<true, true, false>(trades, rows),
            (true, true, true) => self.stretch::<true, true, true>(trades, rows),
        }
    }

    fn stretch<const IDS: bool, const VENUES: bool, const LEVELS: bool>(
        &mut self,
        trades: &Trades,
        rows: Range<usize>,
    ) -> usize {
        let (low, high) = self.mark.calm();
        let low = low.max(self.first_of_its_own());
        if low >= high || self.excludes_between(low, high) {
            return rows.start;
        }
        let span = (high as u64).wrapping_sub(low as u64);
        let scale_16 = self.config.outliers.scale_16;
        let reach = self.mark.floor_span();
        let times = &trades.ts_event[rows.clone()];
        let symbols = &trades.symbol[rows.clone()][..times.len()];
        let prices = &trades.price[rows.clone()][..times.len()];
        let sizes = &trades.size[rows.clone()][..times.len()];
        let ids = if IDS { &trades.trade_id[rows.clone()][..times.len()] } else { &[] };
        let venues = if VENUES { &trades.venue[rows.clone()][..times.len()] } else { &[] };
        let mut head = self.mark.head;
        let mut greatest = i64::MIN;
        let mut calm = times.len();
        // Borrowed once, so that stores to a level don't make the table be looked up again.
        let levels = &mut self.levels[..];
        let duplicates = &mut self.duplicates;
        for row in 0..times.len() {
            let (ts, symbol, price) = (times[row].ns(), symbols[row], prices[row].raw());
            let timely = (ts as u64).wrapping_sub(low as u64) < span;
            let Some(level) = levels.get_mut(symbol.index()) else {
                calm = row;
                break;
            };
            if !(timely && fits(price, sizes[row].raw()) && level.is_known()) {
                calm = row;
                break;
            }
            let mut stream = None;
            if IDS && ids[row] != TradeId::NONE {
                stream = duplicates.stream(symbol, VENUES.then(|| venues[row]));
                if !stream.is_some_and(|stream| duplicates.rises(stream, ids[row], ts)) {
                    calm = row;
                    break;
                }
            }
            if LEVELS && !level.follow(price, scale_16) {
                calm = row;
                break;
            }
            head = head.max(ts);
            greatest = greatest.max(ts);
            if IDS && let Some(stream) = stream {
                duplicates.keep(stream, ids[row], ts, head.saturating_sub(reach));
            }
        }
        self.mark.calm_trades(greatest);
        rows.start + calm
    }
}
