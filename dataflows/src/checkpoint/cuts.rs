//! What the operators of one worker share: how far they may go, the boundary to cut at, and their pieces.

use super::bundle::{Piece, Shelf};
use super::manifest::Position;
use market::Epoch;
use std::cell::RefCell;
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
}

/// A worker's share in the checkpoints of its run.
#[derive(Clone)]
pub(crate) struct Cuts(Rc<RefCell<Inner>>);

impl Cuts {
    /// Of a run without checkpoints: everything is granted.
    pub fn open() -> Self {
        Cuts::new(Epoch::MAX)
    }

    /// Of a run with checkpoints: nothing is granted yet.
    pub fn closed() -> Self {
        Cuts::new(Epoch::MIN)
    }

    fn new(granted: Epoch) -> Self {
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

    /// Takes a piece of the present boundary.
    pub fn give(&self, piece: Piece, position: Option<Position>) {
        let mut inner = self.0.borrow_mut();
        let Some(cut) = &mut inner.cut else { return };
        cut.pieces.push(piece);
        cut.positions.extend(position);
        if cut.pieces.len() == cut.expected {
            let cut = inner.cut.take();
            inner.whole.extend(cut);
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
            let (pieces, positions) = (Vec::new(), Vec::new());
            let (checkpoint, expected) = (grant.checkpoint, inner.expected);
            let shelf = inner.shelf.clone();
            inner.cut = Some(Cut { checkpoint, expected, pieces, positions, shelf });
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
