//! Carried bars: an interval without a trade repeats the close before it, with no volume.
//!
//! A carried bar exists for every closed interval after a symbol's first bar, for at most
//! [`CARRY_NS_MAX`] after its last trade, up to where the log's head is known to have gone
//! ([`crate::tick::Reach`]): the end of a file closes bars, but makes no empty ones beyond itself.

use super::bars::{Book, Slot};
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
        let oldest = self.books.iter().filter_map(|book| book.next_open(self.width)).min()?;
        let end = Time::from_ns(oldest.ns().saturating_add(self.width.ns()));
        let end = end.max(Time::from_ns(soonest));
        (end <= self.reach).then(|| self.clock.epoch.of(end) - 1)
    }

    /// End of the last interval that is over once `epoch` is complete and that the log's head reached.
    pub(super) fn last_closed(&self, epoch: Epoch) -> Time {
        let end = self.clock.end_of(epoch).min(self.reach);
        self.width.open_of(end)
    }
}

impl Book {
    /// Start of the interval after the newest bar, where it may be carried.
    fn next_open(&self, width: Width) -> Option<Time> {
        let next = self.slots.back()?.ts_open().ns().saturating_add(width.ns());
        (next < self.traded_until()?.ns().saturating_add(CARRY_NS_MAX)).then(|| Time::from_ns(next))
    }

    /// Start of the newest bar in which something traded.
    fn traded_until(&self) -> Option<Time> {
        let newest = self.slots.iter().rev().find(|slot| !slot.is_carried());
        newest.map(Slot::ts_open).or_else(|| self.before.as_ref()?.traded)
    }

    /// Puts in the carried bars that are missing up to `closed`, and marks those whose close changed.
    pub(super) fn fill(&mut self, width: Width, closed: Time) {
        let mut before = self.before.as_ref().map(|before| before.bar);
        let mut traded = self.before.as_ref().and_then(|before| before.traded);
        let mut at = 0;
        loop {
            let due = before.and_then(|bar| carried_after(&bar, traded?, width));
            let next = self.slots.get(at).map(Slot::ts_open);
            let wanted = due.filter(|bar| match next {
                Some(next) => bar.ts_open < next,
                None => bar.ts_open.ns() + width.ns() <= closed.ns(),
            });
            if let Some(bar) = wanted {
                self.insert(at, Slot::carried(bar.ts_open, bar.close));
            } else if next.is_none() {
                return;
            }
            let slot = &mut self.slots[at];
            if !slot.is_carried() {
                traded = Some(slot.ts_open());
            } else if let Some(before) = before {
                slot.carry(before.close);
            }
            before = Some(slot.bar());
            at += 1;
        }
    }
}

fn carried_after(bar: &Bar, traded: Time, width: Width) -> Option<Bar> {
    let next = bar.ts_open.ns().checked_add(width.ns())?;
    let carried = next < traded.ns().saturating_add(CARRY_NS_MAX);
    carried.then(|| Bar::carried(Time::from_ns(next), bar.close))
}
