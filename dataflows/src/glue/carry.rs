//! Carried bars: an interval without a trade repeats the close before it, with no volume.
//!
//! A carried bar exists for every closed interval after a symbol's first bar, for at most
//! [`CARRY_NS_MAX`] after its last trade, up to where the log's head is known to have gone
//! ([`crate::tick::Reach`]): the end of a file closes bars, but makes no empty ones beyond itself.

use super::bars::{Head, Slot};
use super::{BarBook, Empty};
use crate::tick::Reach;
use market::{Bar, Epoch, Time, Width};

/// How long after its last trade a symbol's close is carried on.
const CARRY_NS_MAX: i64 = 7 * Time::DAY;

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
        let oldest = self.heads.iter().filter_map(|head| head.next_open(self.width)).min()?;
        let end = Time::from_ns(oldest.ns().saturating_add(self.width.ns()));
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
                self.fill(place, closed);
            }
        }
    }

    /// Puts in a symbol's carried bars that are missing up to `closed`, and those whose close changed.
    fn fill(&mut self, place: usize, closed: Time) {
        let (width, head) = (self.width, self.heads[place]);
        let mut before = head.before.map(|before| before.bar);
        let mut traded = head.before.and_then(|before| before.traded);
        let mut from = 0;
        loop {
            let due = before.and_then(|bar| carried_after(&bar, traded?, width));
            let next = self.bars.next(from, place).map(|(at, start, _)| (at, start));
            let wanted = due.filter(|bar| match next {
                Some((_, next)) => bar.ts_open < next,
                None => bar.ts_open.ns() + width.ns() <= closed.ns(),
            });
            let at = match (wanted, next) {
                (Some(bar), _) => self.put_carried(place, &bar),
                (None, Some((at, _))) => at,
                (None, None) => return,
            };
            let Some((_, start, slot)) = self.bars.next(at, place) else { return };
            let mut changed = wanted.is_some();
            if !slot.is_carried() {
                traded = Some(start);
            } else if let Some(before) = before {
                changed |= slot.carry(before.close);
            }
            before = Some(slot.bar());
            if changed {
                self.bars.touch(at, place);
            }
            from = at + 1;
        }
    }

    /// Adds a carried bar; its column.
    fn put_carried(&mut self, place: usize, bar: &Bar) -> usize {
        let column = self.bars.column(bar.ts_open);
        self.bars.cell_or(column, place, || Slot::carried(bar.ts_open, bar.close));
        let head = &mut self.heads[place];
        head.newest = head.newest.max(bar.ts_open);
        column
    }
}

impl Head {
    /// Start of the interval after the newest bar, where it may be carried.
    fn next_open(&self, width: Width) -> Option<Time> {
        let next = self.newest.ns().saturating_add(width.ns());
        (next < self.traded.ns().saturating_add(CARRY_NS_MAX)).then(|| Time::from_ns(next))
    }
}

fn carried_after(bar: &Bar, traded: Time, width: Width) -> Option<Bar> {
    let next = bar.ts_open.ns().checked_add(width.ns())?;
    let carried = next < traded.ns().saturating_add(CARRY_NS_MAX);
    carried.then(|| Bar::carried(Time::from_ns(next), bar.close))
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
