//! Carried bars: an interval without a price repeats the close before it, with no volume.
//!
//! A carried bar exists for every closed interval after a symbol's first bar, for at most
//! [`CARRY_NS_MAX`] after its last trade, up to where the log's head is known to have gone
//! ([`crate::tick::Reach`]): the end of a file closes bars, but makes no empty ones beyond itself.
//! Where trades are taken back the same holds of those that are left: carried bars come in the place of bars that
//! vanish, vanish themselves where nothing is before them any more, and carry what is.

use super::slot::Slot;
use super::{BarBook, Empty, Words};
use crate::tick::Reach;
use market::{Bar, Epoch, Price, Time, Width};
use operators::{Restore, Snapshot};

/// How long after its last trade a symbol's close is carried on.
const CARRY_NS_MAX: i64 = 7 * Time::DAY;

/// The newest bar of a symbol up to some time, as those after it carry it on.
#[derive(Clone, Copy)]
pub(super) struct Last {
    start: Time,
    close: Price,
    /// Start of the last bar up to it that has a price of its own.
    traded: Time,
}

impl BarBook {
    /// The log's head went on.
    pub fn reach(&mut self, reach: &Reach) {
        self.reach = self.reach.max(reach.until);
    }

    /// The next epoch in which an interval ends that carried bars may be due for.
    pub fn next_carry(&self) -> Option<Epoch> {
        let soonest = self.carried.ns().saturating_add(self.width.ns());
        if self.empty == Empty::Skip || self.reach.ns() < soonest {
            return None;
        }
        let next = self.heads.iter().filter_map(|head| head.last?.next(self.width));
        let oldest = next.min_by_key(|next| next.start)?;
        let end = Time::from_ns(oldest.start.ns().saturating_add(self.width.ns()));
        let end = end.max(Time::from_ns(soonest));
        (end <= self.reach).then(|| self.clock.epoch.of(end) - 1)
    }

    /// End of the last interval that is over once `epoch` is complete and that the log's head reached.
    fn last_closed(&self, epoch: Epoch) -> Time {
        let end = self.clock.end_of(epoch).min(self.reach);
        self.width.open_of(end)
    }

    /// `epoch` is complete: carries the closes on where they changed and up to the last interval.
    pub(super) fn carry(&mut self, epoch: Epoch) {
        let closed = self.last_closed(epoch);
        let further = closed > self.carried;
        self.carried = self.carried.max(closed);
        for place in 0..self.heads.len() {
            if further || self.bars.is_dirty(place) {
                self.fill(place);
            }
        }
    }

    /// Puts in a symbol's carried bars that are due, renews those whose close changed, and takes those away that
    /// are due no more.
    fn fill(&mut self, place: usize) {
        let (width, closed) = (self.width, self.carried);
        // Before a bar that traded every interval is over, even where that bar is not.
        let open = self.bars.cells_from(closed, place).filter(|slot| slot.has_price());
        let limit = open.last().map_or(closed, Slot::ts_open);
        let mut last = self.heads[place].before;
        let mut from = 0;
        loop {
            let due = last.and_then(|last| last.next(width));
            let due = due.filter(|due| due.start.ns() + width.ns() <= limit.ns());
            let next = self.bars.next(from, place).map(|(at, start, _)| (at, start));
            let at = match (due, next) {
                (Some(due), next) if next.is_none_or(|(_, start)| due.start < start) => {
                    self.put_empty(place, due.start)
                }
                (_, Some((at, _))) => at,
                (_, None) => break,
            };
            last = self.pass(at, place, due).or(last);
            from = at + 1;
        }
        self.heads[place].last = last;
    }

    /// Adds a slot without a bar; its column.
    fn put_empty(&mut self, place: usize, start: Time) -> usize {
        let column = self.bars.column(start);
        self.bars.cell_or(column, place, || Slot::new(start));
        column
    }

    /// Has the slot in a column carry what is `due` there, unless it traded; its bar, if there is one.
    fn pass(&mut self, column: usize, place: usize, due: Option<Last>) -> Option<Last> {
        let (column, start, slot) = self.bars.next(column, place)?;
        if slot.has_price() {
            return Some(Last::after(None, &slot.bar()?, true));
        }
        let due = due.filter(|due| due.start == start);
        let close = due.map(|due| due.close);
        if slot.carried() != close {
            let shown = slot.shown();
            slot.carry(close);
            self.touch((column, start), place, shown);
        }
        due
    }
}

impl Last {
    /// A bar that has a price of its own, or carries on what was `before`.
    pub(super) fn after(before: Option<Last>, bar: &Bar, has_price: bool) -> Self {
        let (start, close) = (bar.ts_open, bar.close);
        let before = before.filter(|_| !has_price);
        Last { start, close, traded: before.map_or(start, |before| before.traded) }
    }

    /// The bar that carries it on, where that may still be.
    fn next(&self, width: Width) -> Option<Last> {
        let start = Time::from_ns(self.start.ns().checked_add(width.ns())?);
        let may_be = start.ns() < self.traded.ns().saturating_add(CARRY_NS_MAX);
        may_be.then_some(Last { start, ..*self })
    }
}

impl Words for Last {
    fn save(&self, to: &mut Snapshot) {
        to.i64(self.start.ns());
        to.i64(self.close.raw());
        to.i64(self.traded.ns());
    }

    fn load(from: &mut Restore<'_>) -> Self {
        let (start, close) = (Time::from_ns(from.i64()), Price::from_raw(from.i64()));
        Last { start, close, traded: Time::from_ns(from.i64()) }
    }
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
