//! The seam between a log and those that are read behind it: history, and the topic that goes on from it.
//!
//! What comes behind begins with the watermark and the levels that history left, so its records are judged as if they
//! stood in one log with it. Those that history holds are left out: a copy by its id; what has no id, or is older than
//! any id that history still knows, by its time. The ids are shared by all that are read behind it, and dropped
//! when none of them can ask for one any more.

use super::duplicates::Duplicates;
use super::outlier::Level;
use super::record::Record;
use super::watermark::Watermark;
use super::{Admission, AdmissionConfig, BLANK_VENUE, Place, SnapshotError};
use market::{Epoch, EpochLength, SymbolId, Symbols, Time, TradeId};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};

/// What a log has left at its end.
pub struct Seam {
    mark: Watermark,
    levels: Vec<Level>,
    known: u32,
    ids: Mutex<Duplicates>,
    /// The venue of a record without one, where others have one.
    blank: Option<SymbolId>,
}

impl Seam {
    /// From the snapshot of an admission that has ended, whose place was [`Place::Ahead`].
    ///
    /// # Errors
    /// Refuses bytes that no such snapshot has.
    pub fn read(
        config: AdmissionConfig,
        length: EpochLength,
        symbols: &Symbols,
        bytes: &[u8],
    ) -> Result<Seam, SnapshotError> {
        let config = AdmissionConfig { place: Place::Ahead, ..config };
        let left = Admission::restore(config, length, symbols.clone(), 0, bytes)?;
        let Admission { mark, levels, known, duplicates, .. } = left;
        let (ids, blank) = (Mutex::new(duplicates), symbols.intern(BLANK_VENUE).ok());
        Ok(Seam { mark, levels, known, ids, blank })
    }

    /// The greatest time of the log; none where nothing was admitted.
    pub fn end(&self) -> Option<Time> {
        let reach = self.mark.reach();
        (reach > i64::MIN).then(|| Time::from_ns(reach))
    }

    /// Where its horizon began at its end.
    pub fn floor(&self) -> Time {
        Time::from_ns(self.mark.floor())
    }

    /// The levels of the symbols that it knows.
    pub(super) fn levels(&self) -> impl Iterator<Item = (SymbolId, Level)> + '_ {
        let all = (0..).map(SymbolId::from_index).zip(self.levels.iter().copied());
        all.filter(|(_, level)| level.is_known())
    }

    /// Whether a record that is timed within the log stands in it, as far as ids from `floor` on tell.
    fn covers(&self, record: &Record, floor: i64) -> bool {
        let is_old = record.ts < self.mark.floor() || record.id == TradeId::NONE;
        record.ts <= self.mark.reach() && (is_old || self.holds(record, floor))
    }

    /// Whether the log holds the id of `record`, from `floor` on.
    pub(super) fn holds(&self, record: &Record, floor: i64) -> bool {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Files without a column of venues say none, messages without a venue a blank one.
        let no_venue = [None, self.blank];
        let venues = match no_venue.contains(&record.venue) {
            true => no_venue,
            false => [record.venue; 2],
        };
        venues.into_iter().any(|venue| {
            let stream = ids.stream(record.symbol, venue);
            stream.is_some_and(|stream| ids.holds(stream, record.id, record.ts, floor))
        })
    }
}

impl Admission {
    /// Goes on from what another log has left: from its watermark and levels on, where nothing was judged here.
    pub fn follow(&mut self, seam: &Arc<Seam>) {
        if self.mark.epoch == Epoch::MIN {
            self.mark.follow(&seam.mark);
            (self.levels, self.known) = (seam.levels.clone(), seam.known);
        }
        self.behind = Some(seam.clone());
    }

    /// All that are read behind this log have passed `watermark`: ids that none can ask for go.
    pub fn pass(&mut self, watermark: Time) {
        self.duplicates.expire(watermark.ns().saturating_sub(self.config.horizon_ns));
    }

    /// Whether nothing is judged any more: the watermark has come as far as it is to be read.
    pub fn is_over(&self) -> bool {
        self.mark.epoch >= self.until
    }

    /// The least time from which on no record needs a look at what came before: none as long as ids of the log before
    /// count.
    pub(super) fn first_of_its_own(&self) -> i64 {
        match self.behind {
            Some(_) => i64::MAX,
            None => self.config.since.ns(),
        }
    }

    /// Whether a record is passed over: the log before holds it, or it lies before what was asked for.
    pub(super) fn is_left_out(&mut self, record: &Record) -> bool {
        if record.ts < self.config.since.ns() {
            return true;
        }
        let floor = self.mark.floor();
        // Where the horizon has left the log before, a record of that time is too late and nothing else.
        self.behind.take_if(|seam| floor > seam.mark.reach());
        self.behind.as_ref().is_some_and(|seam| seam.covers(record, floor))
    }
}
