//! Corrections whose trade has not come: each waits for one horizon of the watermark.
//!
//! Looked through whenever an epoch begins, so that when one is given up is a function of the log alone.

use super::codec::{Reader, SnapshotError, Writer};
use super::fold::FoldState;
use super::horizon::{Named, Values};
use market::{Offset, Symbols};
use std::collections::{BTreeMap, HashMap};

/// Corrections that may wait in a partition.
pub(super) const PENDING_MAX: usize = 32_768;

/// One that waits.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub named: Named,
    /// What the trade is to become; nothing where it is taken back.
    pub now: Option<Values>,
    pub offset: Offset,
    /// Its text, for a letter.
    pub raw: String,
    /// The watermark at its position; [`i64::MIN`] where there was none yet.
    since: i64,
}

/// Those of a partition, in the order in which they came.
#[derive(Default)]
pub(super) struct Pendings {
    all: BTreeMap<u64, Pending>,
    by_name: HashMap<Named, Vec<u64>, FoldState>,
    next: u64,
}

impl Pending {
    pub(super) fn new(named: Named, now: Option<Values>, offset: Offset, raw: String) -> Self {
        Pending { named, now, offset, raw, since: i64::MIN }
    }
}

impl Pendings {
    #[inline]
    pub(super) fn has_some(&self) -> bool {
        !self.all.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.all.len() >= PENDING_MAX
    }

    /// Whether one waits that says the same.
    pub(super) fn has(&self, named: &Named, now: Option<Values>) -> bool {
        let waiting = self.by_name.get(named).into_iter().flatten();
        waiting.last().and_then(|number| self.all.get(number)).is_some_and(|last| last.now == now)
    }

    /// Whether the trade of a name is to be taken back once it comes.
    pub(super) fn is_cancelled(&self, named: &Named) -> bool {
        self.has(named, None)
    }

    pub(super) fn add(&mut self, watermark: i64, pending: Pending) {
        self.by_name.entry(pending.named).or_default().push(self.next);
        self.all.insert(self.next, Pending { since: watermark, ..pending });
        self.next += 1;
    }

    /// Those of a trade that has come, in order.
    pub(super) fn take(&mut self, named: &Named) -> Vec<Pending> {
        let numbers = self.by_name.remove(named).unwrap_or_default();
        numbers.iter().filter_map(|number| self.all.remove(number)).collect()
    }

    /// Gives up those that came before the watermark was `floor`; the ones that came before any time was known begin
    /// to wait at `watermark`.
    pub(super) fn expire(&mut self, floor: i64, watermark: i64) -> Vec<Pending> {
        let mut gone = Vec::new();
        for pending in self.all.values_mut().take_while(|pending| pending.since == i64::MIN) {
            pending.since = watermark;
        }
        while let Some(first) = self.all.first_entry().filter(|first| first.get().since < floor) {
            let (number, pending) = first.remove_entry();
            let is_last = self.by_name.get_mut(&pending.named).is_some_and(|numbers| {
                numbers.retain(|other| *other != number);
                numbers.is_empty()
            });
            if is_last {
                self.by_name.remove(&pending.named);
            }
            gone.push(pending);
        }
        gone
    }

    pub(super) fn save(&self, to: &mut Writer, symbols: &Symbols) {
        to.u64(self.all.len() as u64);
        for pending in self.all.values() {
            pending.named.save(to, symbols);
            to.u64(u64::from(pending.now.is_some()));
            pending.now.iter().for_each(|now| now.save(to));
            to.u64(pending.offset.raw());
            to.text(&pending.raw);
            to.i64(pending.since);
        }
    }

    pub(super) fn load(from: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let mut pendings = Pendings::default();
        for _ in 0..from.count()? {
            let named = Named::load(from)?;
            let now = if from.u64()? == 1 { Some(Values::load(from)?) } else { None };
            let (offset, raw) = (Offset::from_raw(from.u64()?), from.text()?.to_owned());
            pendings.add(from.i64()?, Pending::new(named, now, offset, raw));
        }
        Ok(pendings)
    }

    /// Those that wait.
    pub(super) fn names(&self) -> impl Iterator<Item = &Named> {
        self.all.values().map(|pending| &pending.named)
    }
}
