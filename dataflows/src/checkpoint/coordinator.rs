//! Worker 0's part: how far everybody may go, when the next boundary is, and when a checkpoint is whole.
//!
//! Grants run ahead of what was asked for by a lead that grows while grants are used up at once (a replay)
//! and shrinks while they last (live), so that nobody waits long. When a checkpoint is due all are told to
//! enter nothing further and to say how far they are: the boundary is the first epoch that nobody is in.
//! One checkpoint is under way at a time.

use super::cuts::{Gate, Grant, Told};
use super::manifest::Position;
use market::Epoch;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Its part of a checkpoint is stored.
    Part { checkpoint: u64, worker: usize, part: Part },
    /// Its part could not be stored.
    Failed { checkpoint: u64 },
    /// It holds, and acted in no epoch beyond this one.
    Held { checkpoint: u64, entered: Epoch },
}

/// A worker's part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The object that holds its state.
    pub object: String,
    /// How many bytes it wrote.
    pub bytes: u64,
    /// How far the worker's partitions were read.
    pub positions: Vec<Position>,
    /// The objects that hold what was written once and is needed.
    pub blocks: Vec<String>,
}

/// A checkpoint under way.
struct Flight {
    boundary: Epoch,
    parts: BTreeMap<usize, Part>,
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
    pub blocks: Vec<String>,
    /// Bytes of all parts.
    pub bytes: u64,
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
    /// The last boundary that was named, or gone on from.
    boundary: Epoch,
    /// While all hold: how many have said how far they are, and the furthest of them.
    holding: Option<(usize, Epoch)>,
    flight: Option<Flight>,
}

impl Coordinator {
    /// Of a run that goes on from a checkpoint at `boundary`, if that is not the least epoch.
    pub fn new(peers: usize, every_ms: u64, now_ms: u64, boundary: Epoch) -> Self {
        Coordinator {
            peers,
            every_ms,
            granted: Epoch::MIN,
            head: Epoch::MIN,
            lead: LEAD_MIN,
            granted_ms: now_ms,
            began_ms: now_ms,
            checkpoint: 0,
            boundary,
            holding: None,
            flight: None,
        }
    }

    /// Begins a checkpoint, if one is due: all are to hold.
    pub fn begin(&mut self, now_ms: u64) -> Option<Told> {
        let is_due = now_ms.saturating_sub(self.began_ms) >= self.every_ms;
        if !is_due || self.flight.is_some() || self.holding.is_some() || self.head == Epoch::MIN {
            return None;
        }
        self.checkpoint += 1;
        self.began_ms = now_ms;
        self.holding = Some((0, Epoch::MIN));
        Some(Told::Hold { checkpoint: self.checkpoint })
    }

    /// Hears a worker; what is granted because of it.
    pub fn hear(&mut self, said: Said, now_ms: u64, owed: &Owed) -> Option<Grant> {
        match said {
            Said::Head(epoch) => {
                self.head = self.head.max(epoch);
                if self.holding.is_none() && self.head >= self.ask_at() {
                    return Some(self.grant(now_ms));
                }
            }
            Said::Held { checkpoint, entered } if checkpoint == self.checkpoint => {
                let (others, furthest) = self.holding?;
                self.holding = Some((others + 1, furthest.max(entered)));
                if others + 1 == self.peers {
                    return Some(self.name(now_ms, owed));
                }
            }
            Said::Held { .. } => {}
            Said::Part { checkpoint, worker, part } => {
                if let Some(flight) = self.flight.as_mut().filter(|_| checkpoint == self.checkpoint)
                {
                    flight.parts.insert(worker, part);
                }
            }
            Said::Failed { checkpoint } if checkpoint == self.checkpoint => self.settled(),
            Said::Failed { .. } => {}
        }
        None
    }

    /// All hold: names the boundary, unless nobody went on since the last one.
    fn name(&mut self, now_ms: u64, owed: &Owed) -> Grant {
        let furthest = self.holding.take().map_or(Epoch::MIN, |(_, furthest)| furthest);
        let boundary = furthest.saturating_add(1);
        if furthest > Epoch::MIN && boundary > self.boundary {
            self.boundary = boundary;
            self.flight = Some(Flight { boundary, parts: BTreeMap::new(), handed: false });
            owed.boundary.store(boundary, Ordering::SeqCst);
        }
        self.granted = boundary;
        self.grant(now_ms)
    }

    fn grant(&mut self, now_ms: u64) -> Grant {
        match now_ms.saturating_sub(self.granted_ms) {
            lasted if lasted < SHORT_MS => self.lead = (self.lead * 2).min(LEAD_MAX),
            lasted if lasted > LONG_MS => self.lead = (self.lead / 2).max(LEAD_MIN),
            _ => {}
        }
        self.granted = self.granted.max(self.head).saturating_add(self.lead);
        self.granted_ms = now_ms;
        let boundary = self.flight.as_ref().map(|flight| flight.boundary);
        let gate = Gate { granted: self.granted, boundary };
        Grant { gate, ask_at: self.ask_at(), checkpoint: self.checkpoint }
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
        let parts = || flight.parts.values();
        let mut positions: Vec<Position> =
            parts().flat_map(|part| part.positions.clone()).collect();
        positions.sort_by_key(|position| position.partition);
        let bundles = parts().map(|part| part.object.clone()).collect();
        // Names rise with generation and checkpoint, and a partition is one worker's in a generation.
        let blocks: BTreeSet<&String> = parts().flat_map(|part| &part.blocks).collect();
        let blocks = blocks.into_iter().cloned().collect();
        let bytes = parts().map(|part| part.bytes).sum();
        Some(Whole { checkpoint, boundary: flight.boundary, positions, bundles, blocks, bytes })
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
        let (object, blocks) = (format!("{checkpoint}-{worker}"), vec!["old".to_owned()]);
        let part = Part { object, bytes: 10 + worker as u64, positions, blocks };
        Said::Part { checkpoint, worker, part }
    }

    /// Begins a checkpoint and has every worker say how far it is.
    fn name(coordinator: &mut Coordinator, entered: &[Epoch], now: u64, owed: &Owed) -> Grant {
        let Some(Told::Hold { checkpoint }) = coordinator.begin(now) else {
            panic!("a checkpoint is due")
        };
        assert_eq!(coordinator.begin(now), None, "one at a time");
        assert_eq!(coordinator.hear(head(Epoch::MAX - 1_000), now, owed), None, "all hold");
        let held = |&entered| coordinator.hear(Said::Held { checkpoint, entered }, now, owed);
        let grants: Vec<Option<Grant>> = entered.iter().map(held).collect();
        let (last, others) = grants.split_last().unwrap();
        assert!(others.iter().all(Option::is_none));
        last.unwrap()
    }

    #[test]
    fn a_boundary_is_the_first_epoch_that_nobody_is_in() {
        let owed = Owed::new();
        let mut coordinator = Coordinator::new(2, 1_000, 0, Epoch::MIN);
        assert_eq!(coordinator.begin(5_000), None, "nobody has read anything");
        let grant = coordinator.hear(head(7), 10, &owed).unwrap();
        assert!(grant.gate.granted > 7 && grant.gate.boundary.is_none());
        assert_eq!(coordinator.begin(999), None, "not due");
        let grant = name(&mut coordinator, &[5, 7], 1_000, &owed);
        assert_eq!((grant.gate.boundary, grant.checkpoint), (Some(8), 1));
        assert!(grant.gate.granted > 8);
        for worker in 0..2 {
            assert_eq!(coordinator.whole(&owed), None);
            coordinator.hear(part(1, worker), 1_100, &owed);
        }
        assert_eq!(coordinator.whole(&owed), None, "the sinks owe");
        assert!(owed.is_due(8) && !owed.is_due(7));
        owed.pay(8);
        let whole = coordinator.whole(&owed).expect("all is there");
        assert_eq!((whole.boundary, whole.bundles.len(), whole.bytes), (8, 2, 21));
        assert_eq!(whole.blocks, ["old"], "each once");
        assert_eq!(coordinator.whole(&owed), None, "once");
        assert_eq!(coordinator.begin(9_000), None, "it is under way");
        coordinator.settled();
        // Nobody went on since: no boundary, and all go on.
        let grant = name(&mut coordinator, &[7, 6], 9_000, &owed);
        assert_eq!(grant.gate.boundary, None);
        assert!(grant.gate.granted > 8);
    }

    #[test]
    fn a_part_of_another_checkpoint_is_no_part_and_a_failed_one_ends_it() {
        let owed = Owed::new();
        let mut coordinator = Coordinator::new(1, 0, 0, Epoch::MIN);
        coordinator.hear(head(0), 0, &owed);
        assert_eq!(name(&mut coordinator, &[10], 1, &owed).checkpoint, 1);
        coordinator.hear(Said::Failed { checkpoint: 1 }, 2, &owed);
        assert_eq!(name(&mut coordinator, &[100], 3, &owed).checkpoint, 2);
        owed.pay(Epoch::MAX);
        coordinator.hear(part(1, 0), 4, &owed);
        assert_eq!(coordinator.whole(&owed), None);
        coordinator.hear(part(2, 0), 4, &owed);
        assert_eq!(coordinator.whole(&owed).map(|whole| whole.checkpoint), Some(2));
    }
}
