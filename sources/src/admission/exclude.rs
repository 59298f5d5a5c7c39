//! Exclusions: from their place in the log on, the trades that they name are taken back where the horizon holds them,
//! and refused where they still come.
//!
//! What lies before the horizon by then stays as it is. As long as an exclusion reaches into the horizon, records are
//! judged one by one; behind that it is forgotten.

use super::Admission;
use super::codec::{Reader, SnapshotError, Writer};
use super::horizon::Named;
use super::record::{Record, Refusal};
use crate::layout::Exclusion;
use market::{Reason, SymbolId, Symbols, Time, Touched, TradeId, Trades};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An exclusion in this process's symbols.
#[derive(Clone, Debug)]
pub(super) struct Excluded {
    given: Arc<Exclusion>,
    symbols: Option<BTreeSet<SymbolId>>,
    venues: Option<BTreeSet<SymbolId>>,
}

impl Excluded {
    pub(super) fn of(given: &Arc<Exclusion>, symbols: &Symbols) -> Self {
        let ids = |texts: &Option<BTreeSet<String>>| -> Option<BTreeSet<SymbolId>> {
            // What is no symbol is no trade's either.
            let id = |text: &String| symbols.intern(text.as_bytes()).ok();
            texts.as_ref().map(|texts| texts.iter().filter_map(id).collect())
        };
        Excluded { symbols: ids(&given.symbols), venues: ids(&given.venues), given: given.clone() }
    }

    pub(super) fn has(&self, named: &Named, ts: i64) -> bool {
        let Exclusion { from, to, ids, .. } = &*self.given;
        let is_venue =
            |venues: &BTreeSet<SymbolId>| named.venue.is_some_and(|v| venues.contains(&v));
        let is_id = |ids: &BTreeSet<TradeId>| ids.contains(&named.id);
        from.ns() <= ts
            && ts < to.ns()
            && self.symbols.as_ref().is_none_or(|symbols| symbols.contains(&named.symbol))
            && self.venues.as_ref().is_none_or(is_venue)
            && ids.as_ref().is_none_or(is_id)
    }
}

impl Admission {
    /// An exclusion begins here.
    pub(super) fn exclude(&mut self, trades: &Trades, given: &Arc<Exclusion>) {
        let excluded = Excluded::of(given, &self.symbols);
        let from = given.from.ns().max(self.mark.floor());
        let span = (from, given.to.ns());
        let mut found = self.horizon.matching(span, excluded.symbols.as_ref());
        found.extend(self.horizon.matching_in(trades, &self.runs, span));
        for (named, found) in found {
            let Some(now) = found.now.filter(|now| excluded.has(&named, now.ts)) else { continue };
            // A bar that cannot be folded again stays as it is.
            if self.horizon.has_lost(now.ts, trades, &self.runs) {
                continue;
            }
            self.horizon.edit(&found, named, None);
            self.counts.excluded += 1;
            self.touched.push(Touched { symbol: named.symbol, ts: Time::from_ns(now.ts) });
        }
        self.excluded.push(excluded);
    }

    /// Whether exclusions name times of `low..high`: then records are looked at one by one.
    #[inline]
    pub(super) fn excludes_between(&self, low: i64, high: i64) -> bool {
        let reaches = |one: &Excluded| one.given.from.ns() < high && low < one.given.to.ns();
        !self.excluded.is_empty() && self.excluded.iter().any(reaches)
    }

    /// Whether no exclusion names a record.
    pub(super) fn check_excluded(&self, record: &Record) -> Result<(), Refusal> {
        let named = self.named(record);
        match self.excluded.iter().find(|one| one.has(&named, record.ts)) {
            None => Ok(()),
            Some(one) => {
                let Exclusion { id, reason, .. } = &*one.given;
                Err(Refusal::new(Reason::Excluded, format!("exclusion {id}: {reason}")))
            }
        }
    }

    /// Forgets exclusions that name nothing within the horizon any more.
    pub(super) fn forget_excluded(&mut self, floor: i64) {
        self.excluded.retain(|one| one.given.to.ns() > floor);
    }

    pub(super) fn save_excluded(&self, to: &mut Writer) {
        to.u64(self.excluded.len() as u64);
        self.excluded.iter().for_each(|one| to.text(&one.given.record().to_string()));
    }

    pub(super) fn load_excluded(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.excluded.clear();
        for _ in 0..from.count()? {
            let record = serde_json::from_str(from.text()?).map_err(|_| from.corrupt())?;
            let given = Exclusion::of_record(&record).ok().flatten().ok_or(from.corrupt())?;
            self.excluded.push(Excluded::of(&Arc::new(given), &self.symbols));
        }
        Ok(())
    }
}
