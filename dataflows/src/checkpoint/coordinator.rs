//! Worker 0's part: how far everybody may go, when the next boundary is, and when a checkpoint is whole.
//!
//! Grants run ahead of what was asked for by a lead that grows while grants are used up at once (a replay)
//! and shrinks while they last (live), so that a boundary is close ahead and nobody waits long. One
//! checkpoint is under way at a time.

use super::cuts::{Gate, Grant};
use super::manifest::Position;
use market::Epoch;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use timely::scheduling::SyncActivator;

/// Epochs that a grant reaches ahead, at least and at most.
const LEAD_MIN: i64 = 2;
const LEAD_MAX: i64 = 1 << 40;

/// A grant that is used up sooner was too short.
const SHORT_MS: u64 = 50;
/// One that lasts longer was too long.
const LONG_MS: u64 = 500;

/// What the sinks owe: set and read by worker 0 and the thread of the sinks.
#[derive(Default)]
pub(crate) struct Owed {
    boundary: AtomicI64,
    durable: AtomicI64,
    waker: Mutex<Option<SyncActivator>>,
}

impl Owed {
    /// Nothing yet.
    pub fn new() -> Self {
        let never = || AtomicI64::new(Epoch::MIN);
        Owed { boundary: never(), durable: never(), waker: Mutex::default() }
    }

    /// Whether everything before `epoch` being written ends what is owed for a boundary.
    pub fn is_due(&self, epoch: Epoch) -> bool {
        let boundary = self.boundary.load(Ordering::SeqCst);
        boundary > self.durable.load(Ordering::SeqCst) && epoch >= boundary
    }

    /// Everything before `epoch` is durable in every sink.
    pub fn pay(&self, epoch: Epoch) {
        self.durable.store(epoch, Ordering::SeqCst);
        if let Some(waker) = &*self.waker.lock().expect("no holder of this lock panics") {
            // A worker that is gone writes no manifest.
            let _gone = waker.activate();
        }
    }

    /// Who is woken when it was paid.
    pub fn wake_by(&self, waker: SyncActivator) {
        *self.waker.lock().expect("no holder of this lock panics") = Some(waker);
    }
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It wants to enter this epoch.
    Head(Epoch),
    /// Its part of a checkpoint is stored under this name.
    Part { checkpoint: u64, worker: usize, object: String, positions: Vec<Position> },
    /// Its part could not be stored.
    Failed { checkpoint: u64 },
}

/// A checkpoint under way.
struct Flight {
    boundary: Epoch,
    parts: BTreeMap<usize, (String, Vec<Position>)>,
    /// Handed to be written down.
    handed: bool,
}

/// A checkpoint all parts of which are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub checkpoint: u64,
    pub boundary: Epoch,
    pub positions: Vec<Position>,
    pub bundles: Vec<String>,
}

/// The state machine.
pub(crate) struct Coordinator {
    peers: usize,
    every_ms: u64,
    granted: Epoch,
    head: Epoch,
    lead: i64,
    granted_ms: u64,
    began_ms: u64,
    checkpoint: u64,
    flight: Option<Flight>,
}

impl Coordinator {
    pub fn new(peers: usize, every_ms: u64, now_ms: u64) -> Self {
        Coordinator {
            peers,
            every_ms,
            granted: Epoch::MIN,
            head: Epoch::MIN,
            lead: LEAD_MIN,
            granted_ms: now_ms,
            began_ms: now_ms,
            checkpoint: 0,
            flight: None,
        }
    }

    /// Hears a worker; what is granted because of it.
    pub fn hear(&mut self, said: Said, now_ms: u64, owed: &Owed) -> Option<Grant> {
        match said {
            Said::Head(epoch) => {
                self.head = self.head.max(epoch);
                return self.grant(now_ms, owed);
            }
            Said::Part { checkpoint, worker, object, positions } => {
                if let Some(flight) = self.flight.as_mut().filter(|_| checkpoint == self.checkpoint)
                {
                    flight.parts.insert(worker, (object, positions));
                }
            }
            Said::Failed { checkpoint } if checkpoint == self.checkpoint => self.settled(),
            Said::Failed { .. } => {}
        }
        None
    }

    fn grant(&mut self, now_ms: u64, owed: &Owed) -> Option<Grant> {
        if self.head < self.ask_at() {
            return None;
        }
        match now_ms.saturating_sub(self.granted_ms) {
            lasted if lasted < SHORT_MS => self.lead = (self.lead * 2).min(LEAD_MAX),
            lasted if lasted > LONG_MS => self.lead = (self.lead / 2).max(LEAD_MIN),
            _ => {}
        }
        let before = self.granted;
        let due = now_ms.saturating_sub(self.began_ms) >= self.every_ms && before > Epoch::MIN;
        if due && self.flight.is_none() {
            self.checkpoint += 1;
            self.began_ms = now_ms;
            self.flight = Some(Flight { boundary: before, parts: BTreeMap::new(), handed: false });
            owed.boundary.store(before, Ordering::SeqCst);
        }
        self.granted = before.max(self.head).saturating_add(self.lead);
        self.granted_ms = now_ms;
        let boundary = self.flight.as_ref().map(|flight| flight.boundary);
        let gate = Gate { granted: self.granted, boundary };
        Some(Grant { gate, ask_at: self.ask_at(), checkpoint: self.checkpoint })
    }

    fn ask_at(&self) -> Epoch {
        self.granted.saturating_sub(self.lead / 2)
    }

    /// The checkpoint that can be written down now: every worker's part is there, and the sinks owe nothing.
    pub fn whole(&mut self, owed: &Owed) -> Option<Whole> {
        let (peers, checkpoint) = (self.peers, self.checkpoint);
        let flight = self.flight.as_mut()?;
        let paid = owed.durable.load(Ordering::SeqCst) >= flight.boundary;
        if flight.handed || flight.parts.len() < peers || !paid {
            return None;
        }
        flight.handed = true;
        let mut positions: Vec<Position> =
            flight.parts.values().flat_map(|(_, positions)| positions.clone()).collect();
        positions.sort_by_key(|position| position.partition);
        let bundles = flight.parts.values().map(|(object, _)| object.clone()).collect();
        Some(Whole { checkpoint, boundary: flight.boundary, positions, bundles })
    }

    /// The checkpoint under way was written down, or given up.
    pub fn settled(&mut self) {
        self.flight = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(epoch: Epoch) -> Said {
        Said::Head(epoch)
    }

    fn part(checkpoint: u64, worker: usize) -> Said {
        let positions = vec![Position { partition: worker as u32, offset: None }];
        Said::Part { checkpoint, worker, object: format!("{checkpoint}-{worker}"), positions }
    }

    #[test]
    fn a_boundary_lies_beyond_all_that_was_granted_and_one_is_under_way_at_a_time() {
        let owed = Owed::new();
        let mut coordinator = Coordinator::new(2, 1_000, 0);
        let mut now = 0;
        let mut granted = Epoch::MIN;
        let mut boundaries = Vec::new();
        for epoch in (0..400).chain([100_000, 100_001]) {
            now += 100;
            let Some(grant) = coordinator.hear(head(epoch), now, &owed) else { continue };
            assert!(grant.gate.granted > epoch && grant.ask_at <= grant.gate.granted);
            if grant.checkpoint as usize > boundaries.len() {
                let boundary = grant.gate.boundary.expect("a new checkpoint has a boundary");
                assert_eq!(boundary, granted, "nobody can be there");
                boundaries.push(boundary);
            }
            granted = grant.gate.granted;
            if boundaries.len() == 3 {
                continue;
            }
            let checkpoint = grant.checkpoint;
            for worker in 0..2 {
                assert_eq!(coordinator.whole(&owed), None);
                coordinator.hear(part(checkpoint, worker), now, &owed);
            }
            assert_eq!(coordinator.whole(&owed), None, "the sinks owe");
            if let Some(&boundary) = boundaries.last()
                && owed.is_due(boundary)
            {
                assert!(!owed.is_due(boundary - 1));
                owed.pay(boundary);
                let whole = coordinator.whole(&owed).expect("all is there");
                assert_eq!((whole.boundary, whole.bundles.len()), (boundary, 2));
                assert_eq!(coordinator.whole(&owed), None, "once");
                coordinator.settled();
            }
        }
        assert_eq!(boundaries.len(), 3, "the third is never whole");
    }

    #[test]
    fn a_part_of_another_checkpoint_is_no_part_and_a_failed_one_ends_it() {
        let owed = Owed::new();
        let mut coordinator = Coordinator::new(1, 0, 0);
        coordinator.hear(head(0), 0, &owed);
        let first = coordinator.hear(head(10), 1, &owed).unwrap();
        assert_eq!(first.checkpoint, 1);
        coordinator.hear(Said::Failed { checkpoint: 1 }, 2, &owed);
        let second = coordinator.hear(head(100), 3, &owed).unwrap();
        assert_eq!(second.checkpoint, 2);
        owed.pay(Epoch::MAX);
        coordinator.hear(part(1, 0), 4, &owed);
        assert_eq!(coordinator.whole(&owed), None);
        coordinator.hear(part(2, 0), 4, &owed);
        assert_eq!(coordinator.whole(&owed).map(|whole| whole.checkpoint), Some(2));
    }
}
