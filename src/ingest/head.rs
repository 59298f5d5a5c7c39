//! How far the time of a log has come, by records of which single ones may be wrong.
//!
//! A time more than an hour ahead counts when the next record agrees, as admission has it; so does the first
//! one, which nothing stands before. A heartbeat that told everybody of a wrong one could not be taken back.

use market::Time;

/// A jump ahead that the next record must confirm.
const JUMP_NS: i64 = 3_600 * Time::SECOND;

/// The greatest time so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    greatest: Option<i64>,
    /// A time that waits for the next record to agree.
    waiting: Option<i64>,
}

impl Head {
    /// The next record's time.
    pub(super) fn see(&mut self, ns: i64) {
        let bound = self.greatest.map(|greatest| greatest.saturating_add(JUMP_NS));
        match (self.waiting.take(), bound) {
            // The first record: it counts unless the second lies far before it.
            (Some(first), None) if ns < first.saturating_sub(JUMP_NS) => self.waiting = Some(ns),
            (Some(first), None) if ns > first.saturating_add(JUMP_NS) => {
                self.greatest = Some(first);
                self.waiting = Some(ns);
            }
            (_, Some(bound)) if ns <= bound => self.greatest = self.greatest.max(Some(ns)),
            (Some(waited), _) => self.greatest = Some(waited.max(ns)),
            (None, _) => self.waiting = Some(ns),
        }
    }

    /// The log has ended: nothing speaks against what waits.
    pub(super) fn end(&mut self) {
        self.greatest = self.greatest.max(self.waiting.take());
    }

    /// The greatest time that counts.
    pub(super) fn greatest(&self) -> Option<i64> {
        self.greatest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(seconds: &[i64], greatest: Option<i64>) {
        let mut head = Head::default();
        seconds.iter().for_each(|second| head.see(second * Time::SECOND));
        assert_eq!(head.greatest().map(|ns| ns / Time::SECOND), greatest, "{seconds:?}");
    }

    #[test]
    fn a_wrong_time_does_not_count_and_a_confirmed_jump_does() {
        check(&[], None);
        check(&[10], None);
        check(&[10, 9], Some(10));
        check(&[10, 12, 11], Some(12));
        check(&[10, 12, 90_000, 13], Some(13));
        check(&[10, 12, 90_000, 90_001, 90_000], Some(90_001));
        check(&[90_000, 10, 11], Some(11));
        check(&[10, 90_000, 90_001], Some(90_001));
        check(&[10, 90_000, 11], Some(11));
        let mut head = Head::default();
        head.see(7);
        head.end();
        assert_eq!(head.greatest(), Some(7));
    }
}
