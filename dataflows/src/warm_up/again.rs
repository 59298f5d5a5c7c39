//! A log read again, as far as a checkpoint: the graph itself, with the wanted indicators alone, cut at the
//! checkpoint's boundary. So its bars are those that the checkpoint's run had, corrections included.

use super::layout::lanes;
use super::{Line, Past, PastError, Seeds};
use crate::checkpoint::{Cuts, Gate, Grant, Piece, Told};
use crate::glue::{Words, load_symbols};
use crate::graph::{Beginning, Heard, Inputs, Opener, Plan, RunError, Shared, Watch, build, leave};
use market::{Epoch, Time};
use operators::Restore;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use timely::communication::Config as Communication;

/// How long a worker sleeps at most before it looks whether the others are done.
const PARK: Duration = Duration::from_millis(50);

/// How the log is read.
pub struct ReadAgain {
    /// What the run computes; of its indicators, what is wanted is computed.
    pub plan: Plan,
    /// Threads.
    pub workers: usize,
    /// The partitions from where they begin, ending behind what the checkpoint's run had read, with the numbers
    /// that they have there.
    pub inputs: Inputs,
    /// When the first run of the lineage started.
    pub started_at: Time,
    /// Where the checkpoint is cut.
    pub boundary: Epoch,
    /// Watches the reading and can stop it.
    pub watch: Watch,
}

impl Past for ReadAgain {
    fn tell(&mut self, seeds: &mut Seeds) -> Result<(), PastError> {
        let plan = self.plan.wanted_of(seeds);
        let pieces = self.cut(&plan).map_err(|error| PastError { what: error.to_string() })?;
        let pieces = pieces.iter().filter(|piece| piece.name == super::layout::name_of(&plan));
        for piece in pieces {
            let mut words = Restore::new(&piece.words);
            for (width, _) in lanes(&plan) {
                load_symbols(&|_| true, &mut words, |symbol, words| {
                    seeds.line(width, symbol, &Line::load(words));
                });
            }
        }
        Ok(())
    }
}

impl ReadAgain {
    /// Runs the graph until every worker is cut at the boundary.
    fn cut(&mut self, plan: &Plan) -> Result<Vec<Piece>, RunError> {
        let mut inputs = std::mem::replace(&mut self.inputs, Vec::<Opener>::new().into());
        let told = std::mem::take(&mut inputs.told);
        let heard = Heard { start: self.started_at, inputs: told, ..Heard::default() };
        let run = Arc::new(Shared::new(self.watch.clone(), inputs, None));
        let peers = self.workers.max(1);
        let config = match peers {
            1 => Communication::Thread,
            peers => Communication::Process(peers),
        };
        let found = Arc::new((Mutex::new(Vec::new()), AtomicUsize::new(0)));
        let boundary = self.boundary;
        let (plan, shared, to) = (plan.clone(), run.clone(), found.clone());
        let work = move |worker: &mut timely::worker::Worker| {
            let gate = Gate { granted: Epoch::MAX, boundary: Some(boundary) };
            let cuts = Cuts::closed(0, worker.index());
            let partitions = shared.open((worker.index(), worker.peers()), &heard, None);
            let (outlet, from, at) = (None, None, heard.start);
            let beginning = Beginning { partitions, outlet, cuts: cuts.clone(), from, at };
            let _probe = build(worker, &plan, beginning, &shared);
            // A cut is whole when all that have joined by now have given their pieces.
            cuts.hear(Told::Grant(Grant { gate, ask_at: Epoch::MAX, checkpoint: 1 }));
            let (pieces, done) = &*to;
            while done.load(Ordering::SeqCst) < peers && !shared.stop.load(Ordering::Relaxed) {
                worker.step_or_park(Some(PARK));
                for cut in cuts.say().1 {
                    pieces.lock().expect("no holder of this lock panics").extend(cut.pieces);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
            leave(worker);
        };
        let (builders, others) = config.try_build().map_err(RunError::Workers)?;
        let guards =
            timely::execute::execute_from(builders, others, timely::WorkerConfig::default(), work);
        let joined = guards.map_err(RunError::Workers)?.join().into_iter();
        joined.collect::<Result<Vec<()>, _>>().map_err(RunError::Workers)?;
        if let Some(error) = run.failure() {
            return Err(error);
        }
        if run.stop.load(Ordering::Relaxed) {
            return Err(RunError::Workers("the run was stopped".to_owned()));
        }
        Ok(std::mem::take(&mut *found.0.lock().expect("no holder of this lock panics")))
    }
}
