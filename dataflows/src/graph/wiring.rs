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
use super::stages::{Bars, Indicators, RollUps};
use super::watch::Event;
use crate::checkpoint::{Cuts, Restored};
use crate::warm_up::name_of;
use crate::wire::{Partials, Route, Shared, ToFirst, owner};
use market::{Epoch, Partition, Time, Width};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::{Concatenate, Operator, Probe};
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

type Streams<'s, C> = Stream<'s, Epoch, C>;

/// How long a reader that is ahead of the graph waits before it looks again.
const AHEAD_WAIT: Duration = Duration::from_micros(200);
/// How long it waits to look again whether one of its partitions was read to its end, while another is to join.
const JOIN_WAIT: Duration = Duration::from_millis(5);

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
    let (ticks_plan, symbols) = (plan.tick_plan(), plan.symbols.clone());
    let mut readers =
        Readers::new(partitions, &ticks_plan, symbols, peers, cuts.clone(), run.clone(), at);
    from.into_iter().for_each(|from| readers.restore(from));
    let stages = Stages { plan, cuts: cuts.clone(), from, index, peers };
    worker.dataflow::<Epoch, _, _>(|scope| {
        let (partials, leaving) = ticks(scope, readers, complete.clone(), &cuts);
        let symbols = plan.symbols.clone();
        let by_symbol = DistributorPact(move |peers| Route::new(symbols, peers));
        let rows = Output::new(BARS, 0, &plan.symbols);
        let bases = stages.put(partials, by_symbol, "Bars", Bars::new(plan, &run.progress), rows);
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
        by_epoch(input, pact, name, stage, out, &self.cuts)
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

/// The operator that reads this worker's partitions.
fn ticks<'s>(
    scope: Scope<'s, Epoch>,
    mut readers: Readers,
    complete: Handle<Epoch>,
    cuts: &Cuts,
) -> (Streams<'s, Partials>, Streams<'s, Shared>) {
    let mut builder = OperatorBuilder::new("Ticks".to_owned(), scope);
    let (partials, partial_stream) = builder.new_output();
    let (leaving, leaving_stream) = builder.new_output();
    let mut partials = OutputBuilder::<_, CapacityContainerBuilder<Partials>>::from(partials);
    let mut leaving = OutputBuilder::<_, CapacityContainerBuilder<Shared>>::from(leaving);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    cuts.join(readers.len(), scope.activator_for(address.clone()));
    let waker = scope.worker().sync_activator_for(address.to_vec());
    readers.join_by(scope.worker().sync_activator_for(address.to_vec()));
    readers.wake_by(Arc::new(move || {
        // A worker that is gone needs no waking.
        let _gone = waker.activate();
    }));
    builder.build(move |mut capabilities| {
        let second = capabilities.pop().expect("two outputs have two capabilities");
        let first = capabilities.pop().expect("two outputs have two capabilities");
        let mut held = Some((first, second));
        move |_frontiers| {
            let Some((first, second)) = &mut held else {
                // Its partitions have ended, and are in every checkpoint that comes.
                readers.round(Epoch::MAX);
                return;
            };
            let complete = complete.with_frontier(|frontier| frontier.first().copied());
            let mut round = readers.round(complete.unwrap_or(Epoch::MAX));
            if !round.partials.rows.is_empty() || !round.partials.reaches.is_empty() {
                partials.activate().session(first).give_container(&mut round.partials);
            }
            for parcel in round.leaving {
                leaving.activate().session(second).give_container(&mut parcel.into());
            }
            match readers.epoch() {
                Some(epoch) => {
                    first.downgrade(&epoch);
                    second.downgrade(&epoch);
                }
                None => held = None,
            }
            if round.busy {
                activator.activate();
            } else if round.blocked {
                activator.activate_after(AHEAD_WAIT);
            } else if round.joining {
                activator.activate_after(JOIN_WAIT);
            }
        }
    });
    (partial_stream, leaving_stream)
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
