//! The graph, which reads as the path of the data.
//!
//! ```text
//!  partitions ─ Ticks ──partials by symbol──> Bars ─┬─> RollUps (a wider width each) ─┐
//!                 │                                 ├────────────────────────────────>┴─> Indicators ─┐
//!                 └──letters, counts────────────────┴────────────────────────────────────────────────>┴─> Outlet
//! ```

use super::by_epoch::{Output, Stage, by_epoch, limit};
use super::outlet::Leaving;
use super::plan::{BARS, INDICATORS, Plan};
use super::reader::Readers;
use super::run::Shared as Run;
use super::stages::{Bars, Indicators, IsMine, RollUps};
use super::ticks::ticks;
use super::watch::Event;
use crate::checkpoint::{Cuts, Restored};
use crate::warm_up::name_of;
use crate::wire::{Route, Shared, ToFirst, owner};
use market::{Epoch, Partition, Time, Width};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::{Concatenate, Operator, Probe};
use timely::worker::Worker;

type Streams<'s, C> = Stream<'s, Epoch, C>;

/// What a worker begins with.
pub(crate) struct Beginning<'a> {
    /// The partitions that it reads, with their numbers.
    pub partitions: Vec<(usize, Box<dyn Partition>)>,
    /// Where rows leave, on worker 0 of the first process.
    pub outlet: Option<SyncSender<Leaving>>,
    /// Its share in checkpoints.
    pub cuts: Cuts,
    /// The checkpoint that the run goes on from.
    pub from: Option<&'a Restored>,
    /// When the run first started.
    pub at: Time,
}

/// A worker's stages in the making: each is given what a checkpoint holds of it.
struct Stages<'a> {
    plan: &'a Plan,
    cuts: Cuts,
    from: Option<&'a Restored>,
    index: usize,
    peers: usize,
}

/// Builds the graph on a worker; the probe stands behind the sinks.
pub(crate) fn build(
    worker: &mut Worker,
    plan: &Plan,
    beginning: Beginning<'_>,
    run: &Arc<Run>,
) -> Handle<Epoch> {
    let (index, peers) = (worker.index(), worker.peers());
    let Beginning { partitions, outlet, cuts, from, at } = beginning;
    let complete = Handle::new();
    let readers = |partitions| {
        let (ticks, symbols) = (plan.tick_plan(), plan.symbols.clone());
        let readers =
            Readers::new(partitions, &ticks, symbols, peers, cuts.clone(), run.clone(), at);
        let mut readers = readers.on(&plan.course);
        from.into_iter().for_each(|from| readers.restore(from));
        readers
    };
    let leads = |(number, _): &(usize, _)| plan.course.leads(*number as u32);
    let (first, others): (Vec<_>, Vec<_>) = partitions.into_iter().partition(leads);
    let stages = Stages { plan, cuts: cuts.clone(), from, index, peers };
    worker.dataflow::<Epoch, _, _>(|scope| {
        let before = plan
            .course
            .has_order()
            .then(|| ticks(scope, readers(first), complete.clone(), &cuts, None));
        let left = before.as_ref().map(|before| before.left.clone());
        let ticks = ticks(scope, readers(others), complete.clone(), &cuts, left);
        let all = || before.iter().chain([&ticks]);
        let partials = scope.concatenate(all().map(|ticks| ticks.partials.clone()));
        let leaving = scope.concatenate(all().map(|ticks| ticks.leaving.clone()));
        let symbols = plan.symbols.clone();
        let by_symbol = DistributorPact(move |peers| Route::new(symbols, peers));
        let rows = Output::new(BARS, 0, &plan.symbols);
        let symbols = plan.symbols.clone();
        let is_mine: IsMine = Box::new(move |symbol| owner(symbols.group(symbol), peers) == index);
        let bars = Bars::of_run(plan, run, is_mine);
        let bases = stages.put(partials, by_symbol, "Bars", bars, rows);
        let bars = scope.concatenate(roll_ups(&stages, bases));
        let columns = plan.indicator_columns().len();
        let mut all = vec![leaving, bars.clone()];
        if columns > 0 {
            let rows = Output::new(INDICATORS, columns, &plan.symbols);
            let stage = Indicators::new(plan);
            all.push(stages.put(bars, Pipeline, &name_of(plan), stage, rows));
        }
        let leaving = scope.concatenate(all);
        leave(leaving, outlet, run.clone()).probe_with(&complete);
    });
    complete
}

impl Stages<'_> {
    /// Puts a stage on timely, with the symbols of this worker that a checkpoint holds of it.
    fn put<'s, C, P, S>(
        &self,
        input: Streams<'s, C>,
        pact: P,
        name: &str,
        mut stage: S,
        out: Output,
    ) -> Streams<'s, Shared>
    where
        C: timely::Container,
        P: ParallelizationContract<Epoch, C>,
        S: Stage<C> + 'static,
    {
        let symbols = &self.plan.symbols;
        let is_mine = |symbol| owner(symbols.group(symbol), self.peers) == self.index;
        for (mut words, _) in self.from.into_iter().flat_map(|from| from.pieces(name)) {
            stage.load(&is_mine, &mut words);
        }
        by_epoch(input, pact, name, stage, out, (&self.cuts, self.plan.course.until))
    }
}

/// Bars of all widths: each wider one from the widest that it rolls up from.
fn roll_ups<'s>(stages: &Stages<'_>, bases: Streams<'s, Shared>) -> Vec<Streams<'s, Shared>> {
    let plan = stages.plan;
    let mut streams: BTreeMap<Width, Streams<'s, Shared>> = BTreeMap::new();
    let mut all = vec![bases.clone()];
    for width in plan.sorted_widths() {
        let stream = match plan.rolls_up_from(width) {
            None => bases.clone(),
            Some(from) => {
                let (stage, rows) =
                    (RollUps::new(plan, from, width), Output::new(BARS, 0, &plan.symbols));
                let name = roll_up_name(width);
                let wide = stages.put(streams[&from].clone(), Pipeline, &name, stage, rows);
                all.push(wide.clone());
                wide
            }
        };
        streams.insert(width, stream);
    }
    all
}

/// The name of the stage that makes the bars of `width` from narrower ones.
pub(crate) fn roll_up_name(width: Width) -> String {
    format!("RollUps {width}")
}

/// Hands everything to the thread of the sinks, on worker 0.
fn leave<'s>(
    leaving: Streams<'s, Shared>,
    outlet: Option<SyncSender<Leaving>>,
    run: Arc<Run>,
) -> Streams<'s, Shared> {
    let to_first = DistributorPact(|_peers| ToFirst);
    let outlet = Rc::new(RefCell::new(outlet));
    let mut told = Epoch::MIN;
    leaving.unary_frontier::<CapacityContainerBuilder<Shared>, _, _, _>(
        to_first,
        "Outlet",
        |_, _| {
            move |(input, frontier), _output| {
                let tell = |leaving: Leaving| {
                    let gone = outlet.borrow().as_ref().is_some_and(|to| {
                        run.progress.wait_for_sinks(true);
                        to.send(leaving).is_err()
                    });
                    run.progress.wait_for_sinks(false);
                    if gone {
                        // The thread keeps its own error; the run only has to end.
                        run.stop.store(true, Ordering::SeqCst);
                    }
                };
                input.for_each(|_, parcel| tell(Leaving::Parcel(std::mem::take(parcel))));
                match limit(frontier) {
                    Some(epoch) if epoch > told => {
                        told = epoch;
                        run.progress.tell(Event::Complete(epoch));
                        tell(Leaving::Before(epoch));
                    }
                    Some(_) => {}
                    None => {
                        tell(Leaving::End);
                        outlet.borrow_mut().take();
                    }
                }
            }
        },
    )
}
