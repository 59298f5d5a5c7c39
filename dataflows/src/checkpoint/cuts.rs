//! What the operators of one worker share: how far they may go, the boundary to cut at, and their pieces.

use super::bundle::{Piece, Shelf};
use super::manifest::Position;
use super::sequence::block_name;
use market::{Epoch, Later};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use timely::scheduling::{Activator, SyncActivator};

/// How far the operators of a worker may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    /// Nothing is done in this epoch or a later one.
    pub granted: Epoch,
    /// Where state is cut before anything of this epoch is done; at or below what is granted.
    pub boundary: Option<Epoch>,
}

/// What worker 0 tells all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The next gate.
    Grant(Grant),
    /// Enter nothing further, and say how far you are: a boundary is to be named.
    Hold {
        /// Number of the checkpoint.
        checkpoint: u64,
    },
}

/// How far everybody may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub gate: Gate,
    /// Whoever comes to this epoch asks for more.
    pub ask_at: Epoch,
    /// Number of the boundary's checkpoint.
    pub checkpoint: u64,
}

/// All pieces of a worker at a boundary.
pub(crate) struct Cut {
    pub checkpoint: u64,
    /// Pieces that it has when it is whole.
    expected: usize,
    pub pieces: Vec<Piece>,
    pub positions: Vec<Position>,
    /// What is written once, by the names of its objects, and what appends the rest of each.
    pub blocks: BTreeMap<String, Vec<(Piece, Later)>>,
    /// The objects of such that the cut needs.
    pub needed: BTreeSet<String>,
    /// Where their buffers are put back.
    pub shelf: Shelf,
}

struct Inner {
    grant: Grant,
    /// The greatest epoch that an operator acted in.
    entered: Epoch,
    /// A checkpoint whose boundary is to be named, to be answered.
    held: Option<u64>,
    /// The greatest epoch that an operator came to, or wants to enter.
    head: Epoch,
    /// What of it was said.
    said: Epoch,
    /// Operators that bring a piece.
    expected: usize,
    cut: Option<Cut>,
    whole: Vec<Cut>,
    /// Operators that may wait for a grant.
    waiting: Vec<Activator>,
    /// The operator that asks.
    asking: Option<SyncActivator>,
    shelf: Shelf,
    /// What is written once and went with no cut yet: it outlives a boundary that is given up.
    blocks: BTreeMap<String, Vec<(Piece, Later)>>,
    /// The run's generation and the worker's number: part of the names of what it writes.
    name: (u64, usize),
}

/// A worker's share in the checkpoints of its run.
#[derive(Clone)]
pub(crate) struct Cuts(Rc<RefCell<Inner>>);

impl Cuts {
    /// Of a run without checkpoints: everything is granted.
    pub fn open() -> Self {
        Cuts::new(Epoch::MAX, (0, 0))
    }

    /// Of worker number `worker` of a run with checkpoints: nothing is granted yet.
    pub fn closed(generation: u64, worker: usize) -> Self {
        Cuts::new(Epoch::MIN, (generation, worker))
    }

    fn new(granted: Epoch, name: (u64, usize)) -> Self {
        let gate = Gate { granted, boundary: None };
        Cuts(Rc::new(RefCell::new(Inner {
            grant: Grant { gate, ask_at: granted, checkpoint: 0 },
            entered: Epoch::MIN,
            held: None,
            head: Epoch::MIN,
            said: Epoch::MIN,
            expected: 0,
            cut: None,
            whole: Vec::new(),
            waiting: Vec::new(),
            asking: None,
            shelf: Shelf::default(),
            blocks: BTreeMap::new(),
            name,
        })))
    }

    /// Whether the run has checkpoints: asked before it begins.
    pub fn are_made(&self) -> bool {
        self.gate().granted < Epoch::MAX
    }

    /// One more operator brings `pieces` pieces a cut, and is to be activated when more is granted.
    pub fn join(&self, pieces: usize, activator: Activator) {
        let mut inner = self.0.borrow_mut();
        inner.expected += pieces;
        inner.waiting.push(activator);
    }

    /// Who is to be activated when there is something to say.
    pub fn ask_by(&self, activator: SyncActivator) {
        self.0.borrow_mut().asking = Some(activator);
    }

    /// One more piece belongs to cuts beyond `epoch`, which is where its operator is; the last boundary whose
    /// cut is without it.
    pub fn widen(&self, epoch: Epoch) -> Epoch {
        let mut inner = self.0.borrow_mut();
        inner.expected += 1;
        match inner.grant.gate.boundary {
            Some(boundary) if boundary <= epoch => boundary,
            _ => {
                inner.cut.iter_mut().for_each(|cut| cut.expected += 1);
                Epoch::MIN
            }
        }
    }

    /// How far the worker may go.
    #[inline]
    pub fn gate(&self) -> Gate {
        self.0.borrow().grant.gate
    }

    /// An operator acts in `epoch` from now on.
    #[inline]
    pub fn enter(&self, epoch: Epoch) {
        let mut inner = self.0.borrow_mut();
        inner.entered = inner.entered.max(epoch);
    }

    /// An operator came to `epoch`, or wants to.
    pub fn reach(&self, epoch: Epoch) {
        let mut inner = self.0.borrow_mut();
        if epoch > inner.head {
            inner.head = epoch;
            inner.ask();
        }
    }

    /// An empty piece of a name.
    pub fn piece(&self, name: String) -> Piece {
        self.0.borrow().shelf.piece(name)
    }

    /// Takes what is written once, with the present boundary's cut or a later one; the name of its object.
    pub fn keep(&self, piece: Piece, later: Later) -> String {
        let mut inner = self.0.borrow_mut();
        let (generation, worker) = inner.name;
        let name = block_name(generation, inner.grant.checkpoint, worker);
        inner.blocks.entry(name.clone()).or_default().push((piece, later));
        name
    }

    /// The present boundary's cut needs what these objects hold.
    pub fn need<'a>(&self, names: impl IntoIterator<Item = &'a String>) {
        let mut inner = self.0.borrow_mut();
        if let Some(cut) = &mut inner.cut {
            cut.needed.extend(names.into_iter().cloned());
        }
    }

    /// Takes a piece of the present boundary.
    pub fn give(&self, piece: Piece, position: Option<Position>) {
        let mut inner = self.0.borrow_mut();
        let Some(cut) = &mut inner.cut else { return };
        cut.pieces.push(piece);
        cut.positions.extend(position);
        if cut.pieces.len() == cut.expected {
            let (blocks, cut) = (std::mem::take(&mut inner.blocks), inner.cut.take());
            inner.whole.extend(cut.map(|cut| Cut { blocks, ..cut }));
            inner.ask();
        }
    }

    /// How far the worker is, where that was asked for a checkpoint.
    pub fn held(&self) -> Option<(u64, Epoch)> {
        let mut inner = self.0.borrow_mut();
        let entered = inner.entered;
        inner.held.take().map(|checkpoint| (checkpoint, entered))
    }

    /// What is to be said: how far the worker wants to go, if that is news, and its cut, if it is whole.
    pub fn say(&self) -> (Option<Epoch>, Vec<Cut>) {
        let mut inner = self.0.borrow_mut();
        let is_news = inner.head > inner.said && inner.head >= inner.grant.ask_at;
        let head = is_news.then_some(inner.head);
        inner.said = head.unwrap_or(inner.said);
        (head, std::mem::take(&mut inner.whole))
    }

    /// Takes what worker 0 tells.
    pub fn hear(&self, told: Told) {
        let mut inner = self.0.borrow_mut();
        let grant = match told {
            Told::Grant(grant) => grant,
            Told::Hold { checkpoint } => {
                let next = inner.entered.saturating_add(1);
                inner.grant.gate.granted = inner.grant.gate.granted.min(next);
                inner.held = Some(checkpoint);
                return inner.ask();
            }
        };
        if grant.checkpoint > inner.grant.checkpoint && grant.gate.boundary.is_some() {
            // A boundary that was given up leaves its pieces behind.
            inner.cut = Some(Cut {
                checkpoint: grant.checkpoint,
                expected: inner.expected,
                pieces: Vec::new(),
                positions: Vec::new(),
                blocks: BTreeMap::new(),
                needed: BTreeSet::new(),
                shelf: inner.shelf.clone(),
            });
        }
        inner.grant = grant;
        inner.waiting.iter().for_each(Activator::activate);
        // Somebody may be further than this grant reaches already.
        inner.ask();
    }
}

impl Inner {
    fn ask(&self) {
        let has_words = self.head >= self.grant.ask_at && self.head > self.said;
        if (has_words || !self.whole.is_empty() || self.held.is_some())
            && let Some(asking) = &self.asking
        {
            // A worker that is gone asks for nothing.
            let _gone = asking.activate();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_once_outlives_a_boundary_that_is_given_up() {
        let cuts = Cuts::closed(3, 1);
        (0..2).for_each(|_| assert_eq!(cuts.widen(Epoch::MIN), Epoch::MIN));
        let name = |checkpoint, at| {
            let gate = Gate { granted: at + 10, boundary: Some(at) };
            cuts.hear(Told::Grant(Grant { gate, ask_at: at + 5, checkpoint }));
        };
        name(1, 5);
        let later = || Box::new(|_: &mut Vec<u8>| ()) as Later;
        let first = cuts.keep(Piece::default(), later());
        cuts.need([&first]);
        cuts.give(Piece::default(), None);
        // Another worker's part could not be stored.
        name(2, 9);
        let second = cuts.keep(Piece::default(), later());
        cuts.need([&first, &second]);
        (0..2).for_each(|_| cuts.give(Piece::default(), None));
        let (_, mut whole) = cuts.say();
        let cut = whole.pop().expect("all pieces are there");
        assert!(whole.is_empty() && cut.pieces.len() == 2);
        assert!(cut.blocks.keys().eq([&first, &second]) && cut.needed.len() == 2);
    }
}
