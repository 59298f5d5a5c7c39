//! The partition's clock: its watermark, its epoch, and the bounds that times are judged against.
//!
//! `head` is the greatest admitted time, or a heartbeat's plus the lateness where that is greater, so
//! that the watermark is `head - lateness` always. `reach` is the greatest time seen without that
//! lateness: jumps are counted from it. Every time that is judged lies between [`Time::LEAST`] and
//! [`Time::GREATEST`], so no bound comes near the ends of 64 bits; those stand for "none".

use super::AdmissionConfig;
use super::codec::{Reader, SnapshotError, Writer};
use market::{Epoch, EpochLength, Time};

/// The earliest time that is judged at all.
pub(super) const LEAST: i64 = Time::LEAST.ns();
/// The latest.
pub(super) const GREATEST: i64 = Time::GREATEST.ns();

#[derive(Clone, Debug)]
pub(super) struct Watermark {
    lateness: i64,
    horizon: i64,
    max_jump: i64,
    max_ahead: i64,
    latest: i64,
    length: EpochLength,
    /// `i64::MIN` before the first admitted record.
    pub(super) head: i64,
    reach: i64,
    pub(super) epoch: Epoch,
    /// The head at which the next epoch begins.
    next: i64,
}

impl Watermark {
    pub(super) fn new(config: &AdmissionConfig, length: EpochLength) -> Self {
        Watermark {
            lateness: config.lateness_ns,
            horizon: config.horizon_ns,
            max_jump: config.max_jump_ns,
            max_ahead: config.max_ahead_ns,
            latest: config.started_at.ns().saturating_add(config.max_ahead_ns).min(GREATEST),
            length,
            head: i64::MIN,
            reach: i64::MIN,
            epoch: Epoch::MIN,
            next: i64::MIN,
        }
    }

    /// What is judged next came at `time`: the future is counted from it.
    pub(super) fn arrive(&mut self, time: Time) {
        self.latest = time.ns().saturating_add(self.max_ahead).min(GREATEST);
    }

    /// The latest time that is not the future.
    pub(super) fn latest(&self) -> i64 {
        self.latest
    }

    /// The latest time that is no jump.
    pub(super) fn leap(&self) -> i64 {
        match self.reach {
            i64::MIN => i64::MAX,
            reach => reach.saturating_add(self.max_jump),
        }
    }

    /// The least time within the horizon.
    pub(super) fn floor(&self) -> i64 {
        match self.head {
            i64::MIN => LEAST,
            head => head.saturating_sub(self.floor_span()).max(LEAST),
        }
    }

    /// How far the horizon begins behind the head.
    pub(super) fn floor_span(&self) -> i64 {
        self.lateness.saturating_add(self.horizon)
    }

    /// Times `low..high` that need no second look until the epoch ends: no jump, not the future, no new
    /// epoch, and within the horizon wherever in this epoch the watermark stands.
    pub(super) fn calm(&self) -> (i64, i64) {
        let high = self.next.min(self.latest).min(self.leap());
        let low = self.next.saturating_sub(self.floor_span()).max(LEAST);
        (low, high)
    }

    /// Whether a trade of this time leaves the epoch as it is.
    pub(super) fn stays(&self, ts: i64) -> bool {
        ts < self.next
    }

    /// Stands where another stands.
    pub(super) fn follow(&mut self, other: &Watermark) {
        (self.head, self.reach) = (other.head, other.reach);
        (self.epoch, self.next) = (other.epoch, other.next);
    }

    /// The greatest time so far; `i64::MIN` before the first.
    pub(super) fn reach(&self) -> i64 {
        self.reach
    }

    /// Takes in an admitted trade's time.
    pub(super) fn trade(&mut self, ts: i64) {
        self.reach = self.reach.max(ts);
        self.advance(ts);
    }

    /// Takes in the greatest time of calm trades: the epoch stays.
    #[inline]
    pub(super) fn calm_trades(&mut self, greatest: i64) {
        self.reach = self.reach.max(greatest);
        self.head = self.head.max(greatest);
    }

    /// Takes in a heartbeat.
    pub(super) fn heartbeat(&mut self, ts: i64) {
        self.reach = self.reach.max(ts);
        self.advance(ts.saturating_add(self.lateness));
    }

    fn advance(&mut self, head: i64) {
        self.head = self.head.max(head);
        if self.head >= self.next {
            let watermark = Time::from_ns(self.head.saturating_sub(self.lateness));
            self.epoch = self.length.of(watermark);
            self.next = self.length.start(self.epoch + 1).ns().saturating_add(self.lateness);
        }
    }

    pub(super) fn snapshot(&self, to: &mut Writer) {
        [self.head, self.reach, self.epoch, self.next].into_iter().for_each(|word| to.i64(word));
    }

    pub(super) fn restore(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.head = from.i64()?;
        self.reach = from.i64()?;
        self.epoch = from.i64()?;
        self.next = from.i64()?;
        Ok(())
    }
}
