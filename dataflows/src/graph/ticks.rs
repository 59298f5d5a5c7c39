//! The operator that reads partitions on a worker. Where some are read behind others there are two of it, and what the
//! first have left is told to the second on every worker.
//!
//! ```text
//!  history ─ Ticks ──what it left──> Ticks ─ topics
//!              └──partials, letters────┴──> beyond the exchange
//! ```
//! As long as it waits, the second follows the frontier of the first: nothing is held back by logs that have not begun.

use super::reader::Readers;
use crate::checkpoint::Cuts;
use crate::wire::{Partials, Shared};
use market::Epoch;
use std::sync::Arc;
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::{Scope, Stream, StreamVec};

/// How long a reader that is ahead of the graph waits before it looks again.
const AHEAD_WAIT: Duration = Duration::from_micros(200);
/// How long it waits to look again whether one of its partitions was read to its end, while another is to join.
const JOIN_WAIT: Duration = Duration::from_millis(5);
/// How long readers that have all ended wait to look whether the run has.
const ENDED_WAIT: Duration = Duration::from_millis(20);

/// What a partition that has ended left to those behind it: its number, and its snapshot.
pub(super) type Left = (u32, Vec<u8>);

/// What the operator hands on.
pub(super) struct Ticks<'s> {
    /// Changed partials, to the worker of their symbol.
    pub partials: Stream<'s, Epoch, Partials>,
    /// Letters and counts.
    pub leaving: Stream<'s, Epoch, Shared>,
    /// What partitions left to those behind them.
    pub left: StreamVec<'s, Epoch, Left>,
}

/// Puts readers on timely; those that wait are told of by `left`.
pub(super) fn ticks<'s>(
    scope: Scope<'s, Epoch>,
    mut readers: Readers,
    complete: Handle<Epoch>,
    cuts: &Cuts,
    left: Option<StreamVec<'s, Epoch, Left>>,
) -> Ticks<'s> {
    let mut builder = OperatorBuilder::new("Ticks".to_owned(), scope);
    let mut before = left.map(|left| builder.new_input(left.broadcast(), Pipeline));
    let (partials, partial_stream) = builder.new_output();
    let (leaving, leaving_stream) = builder.new_output();
    let (left, left_stream) = builder.new_output();
    let mut partials = OutputBuilder::<_, CapacityContainerBuilder<Partials>>::from(partials);
    let mut leaving = OutputBuilder::<_, CapacityContainerBuilder<Shared>>::from(leaving);
    let mut left = OutputBuilder::<_, CapacityContainerBuilder<Vec<Left>>>::from(left);
    let address = builder.operator_info().address;
    let activator = scope.activator_for(address.clone());
    cuts.join(readers.len(), scope.activator_for(address.clone()));
    let waker = scope.worker().sync_activator_for(address.to_vec());
    readers.join_by(scope.worker().sync_activator_for(address.to_vec()));
    readers.wake_by(Arc::new(move || {
        // A worker that is gone needs no waking.
        let _gone = waker.activate();
    }));
    // Timely drops an operator that holds no capability and says that it has nothing left to do.
    let is_cut = cuts.are_made();
    builder.build_reschedule(move |capabilities| {
        let mut held = Some(capabilities);
        move |frontiers| {
            if let Some(before) = &mut before {
                before.for_each(|_, told| readers.hear(told));
                readers.wait_until(frontiers[0].frontier().first().copied());
            }
            let complete = complete.with_frontier(|frontier| frontier.first().copied());
            let Some(capabilities) = &mut held else {
                // Its partitions have ended, and are in every checkpoint that comes.
                readers.round(Epoch::MAX);
                let goes_on = is_cut && readers.len() > 0 && complete.is_some();
                if goes_on {
                    activator.activate_after(ENDED_WAIT);
                }
                return goes_on;
            };
            let mut round = readers.round(complete.unwrap_or(Epoch::MAX));
            let [first, second, third] = &capabilities[..] else { return true };
            if !round.partials.is_empty() {
                partials.activate().session(first).give_container(&mut round.partials);
            }
            for parcel in round.leaving {
                leaving.activate().session(second).give_container(&mut parcel.into());
            }
            round.left.into_iter().for_each(|one| left.activate().session(third).give(one));
            match readers.epoch() {
                Some(epoch) => follow(capabilities, epoch),
                None => held = None,
            }
            if round.busy || held.is_none() {
                activator.activate();
            } else if round.blocked {
                activator.activate_after(AHEAD_WAIT);
            } else if round.joining {
                activator.activate_after(JOIN_WAIT);
            }
            true
        }
    });
    Ticks { partials: partial_stream, leaving: leaving_stream, left: left_stream }
}

fn follow(capabilities: &mut [Capability<Epoch>], epoch: Epoch) {
    capabilities.iter_mut().for_each(|capability| capability.downgrade(&epoch));
}
