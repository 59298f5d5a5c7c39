//! What a partition's reader decides and heeds: joins, moves of a quiet partition, exclusions that were asked for. Each is
//! durable in the control topic before it is acted upon, exactly at its position, as every later run will.

use super::control::{Decided, Decision};
use super::feed::Ahead;
use crate::{Heartbeat, Order};
use ::kafka::Arrived;
use market::Time;
use std::time::Instant;

impl Ahead {
    /// Begins a partition that joins, once that is written down.
    pub(super) fn join(&mut self) -> Result<(), String> {
        let (Some(time), Some(control)) = (self.joins, &self.control) else { return Ok(()) };
        let joined = control.join(&self.part, time);
        joined.map_err(|error| format!("{}: {error}", self.part.name()))?;
        tracing::info!("{}: joins, its watermark begins at {} ns", self.part.name(), time.ns());
        let what = Decided::Beat(time);
        self.part.decided.push(Decision { next: self.part.start, index: 0, what });
        Ok(())
    }

    /// Takes what was decided before the message at `next` for heartbeats, each in its place.
    pub(super) fn heed_decisions(&mut self, next: u64) {
        while let Some(decision) = self.part.decided.get(self.decided)
            && decision.next <= next
        {
            self.decided += 1;
            let (offset, before_row) = (decision.offset(), 0);
            match decision.what.clone() {
                Decided::Beat(time) => {
                    self.batch.heartbeats.push(Heartbeat { before_row, offset, time });
                }
                Decided::Exclude(exclusion) => {
                    self.batch.orders.push(Order { before_row, offset, exclusion });
                }
            }
            // It came with no message, and what bounds it was known when it was decided.
            self.batch.arrived.push((offset, Time::GREATEST));
            self.batch.end = Some(offset);
        }
    }

    /// Begins here what is asked to be excluded, each once that is written down: behind all that was decided before.
    pub(super) fn obey(&mut self) -> Result<(), String> {
        let Some(control) = self.control.clone() else { return Ok(()) };
        if self.decided < self.part.decided.len() {
            return Ok(());
        }
        for exclusion in control.asked(self.asked) {
            self.asked += 1;
            let is_known = |one: &Decision| matches!(&one.what, Decided::Exclude(known) if known.id == exclusion.id);
            if self.part.decided.iter().any(is_known) {
                continue;
            }
            let written = control.exclude(&self.part, self.next, &exclusion.id);
            written.map_err(|error| format!("{}: {error}", self.part.name()))?;
            let (index, what) = (self.next_index(), Decided::Exclude(exclusion));
            self.part.decided.push(Decision { next: self.next, index, what });
        }
        self.heed_decisions(self.next);
        Ok(())
    }

    /// The number of the next decision before the message that is read next.
    fn next_index(&self) -> u32 {
        let last = self.part.decided.last().filter(|last| last.next == self.next);
        last.map_or(0, |last| last.index + 1)
    }

    /// Where nothing came for long, moves the partition on, once that is written down.
    #[expect(clippy::disallowed_methods, reason = "how long it is quiet, a source's clock counts")]
    pub(super) fn decide(&mut self, arrived: Arrived) -> Result<(), String> {
        let Some(control) = self.control.clone() else { return Ok(()) };
        let Some(after) = control.after() else { return Ok(()) };
        if arrived.messages > 0 {
            self.quiet = None;
        }
        if arrived.end.is_some() {
            self.quiet.get_or_insert_with(Instant::now);
        }
        if self.quiet.is_none_or(|since| since.elapsed() < after) {
            return Ok(());
        }
        let last = self.part.decided.iter().rev().find_map(Decision::time);
        let Some(time) = control.time().filter(|time| last.is_none_or(|last| *time > last)) else {
            return Ok(());
        };
        let decided = control.move_on(&self.part, self.next, time);
        decided.map_err(|error| format!("{}: {error}", self.part.name()))?;
        let (next, index, what) = (self.next, self.next_index(), Decided::Beat(time));
        self.part.decided.push(Decision { next, index, what });
        self.heed_decisions(self.next);
        self.quiet = Some(Instant::now());
        Ok(())
    }
}
