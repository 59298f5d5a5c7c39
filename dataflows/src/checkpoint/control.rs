//! The control stream: what workers ask for, and what worker 0 grants. A dataflow of its own, without time.

use super::Checkpoints;
use super::coordinator::{Coordinator, Owed, Part, Said};
use super::cuts::{Cuts, Gate, Grant, Told};
use super::manifest::Position;
use super::scribe::{Mail, Scribe, Settled};
use crate::graph::{Event, Shared as Run};
use market::Epoch;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::generic::source;
use timely::dataflow::operators::vec::Broadcast;
use timely::dataflow::operators::{Concatenate, Operator};
use timely::dataflow::{Scope, StreamVec};
use timely::worker::Worker;

/// What a worker says, as it travels: kind, number, worker, and of a part the names of its objects, bytes and positions.
type Words = (u8, i64, u64, (Vec<String>, u64, Vec<(u32, Option<u64>)>));

/// What worker 0 tells, as it travels: granted, asked at, boundary, checkpoint; nothing granted where all hold.
type Granted = (Option<i64>, i64, Option<i64>, u64);

/// The kind of words that only ask to look.
const LOOK: u8 = 4;

/// Between two looks whether a checkpoint is due.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the workers of a run with checkpoints have in common.
#[derive(Clone)]
pub(crate) struct Office {
    /// How they are kept.
    pub checkpoints: Checkpoints,
    /// What the sinks owe.
    pub owed: Arc<Owed>,
}

/// Puts the control stream on a worker. It ends when the worker drops it.
pub(crate) fn control(
    worker: &mut Worker,
    cuts: &Cuts,
    office: &Office,
    scribe: &Scribe,
    run: &Arc<Run>,
) {
    worker.dataflow::<u64, _, _>(|scope| {
        let asks = scope.concatenate([asks(scope, cuts, scribe, run), looks(scope)]);
        let grants = coordinate(asks, office, scribe, run).broadcast();
        let cuts = cuts.clone();
        grants.unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "Grants", |_, _| {
            move |input, _output| {
                input.for_each(|_, grants| {
                    grants.drain(..).for_each(|words| cuts.hear(told_of(words)));
                });
            }
        });
    });
}

/// Says what the worker's operators want, and what became of its cuts.
fn asks<'s>(
    scope: Scope<'s, u64>,
    cuts: &Cuts,
    scribe: &Scribe,
    run: &Arc<Run>,
) -> StreamVec<'s, u64, Words> {
    let (cuts, scribe, run) = (cuts.clone(), scribe.clone(), run.clone());
    let index = scope.worker().index();
    source::<_, CapacityContainerBuilder<Vec<Words>>, _, _>(scope, "Asks", |capability, info| {
        let waker = || scope.worker().sync_activator_for(info.address.to_vec());
        cuts.ask_by(waker());
        let mail = Mail::new(waker());
        move |output| {
            let (head, whole) = cuts.say();
            whole.into_iter().for_each(|cut| scribe.store(index, cut, &mail));
            let held = cuts.held();
            let held = held.map(|(checkpoint, entered)| Said::Held { checkpoint, entered });
            let said = head.map(Said::Head).into_iter().chain(held).chain(mail.take());
            let words: Vec<Words> = said.map(words_of).collect();
            if !words.is_empty() && !run.stop.load(Ordering::Relaxed) {
                let mut session = output.session(&capability);
                words.into_iter().for_each(|words| session.give(words));
            }
        }
    })
}

/// Has worker 0 look again and again whether a checkpoint is due.
fn looks<'s>(scope: Scope<'s, u64>) -> StreamVec<'s, u64, Words> {
    let is_first = scope.worker().index() == 0;
    source::<_, CapacityContainerBuilder<Vec<Words>>, _, _>(scope, "Looks", |capability, info| {
        let again = scope.activator_for(info.address);
        move |output| {
            if is_first {
                output.session(&capability).give((LOOK, 0, 0, Default::default()));
                again.activate_after(LOOK_EVERY);
            }
        }
    })
}

/// Worker 0 hears all and grants.
fn coordinate<'s>(
    asks: StreamVec<'s, u64, Words>,
    office: &Office,
    scribe: &Scribe,
    run: &Arc<Run>,
) -> StreamVec<'s, u64, Granted> {
    let run = run.clone();
    let (Office { checkpoints, owed }, scribe) = (office.clone(), scribe.clone());
    let worker = asks.scope().worker().clone();
    let clock = checkpoints.clock.clone();
    let claimed = checkpoints.claimed.as_ref().and_then(|claimed| claimed.manifest.as_ref());
    let from = claimed.and_then(|(_, manifest)| manifest.epoch).unwrap_or(Epoch::MIN);
    let mut coordinator = Coordinator::new(worker.peers(), checkpoints.every_ms, clock(), from);
    let is_first = worker.index() == 0;
    asks.unary::<CapacityContainerBuilder<Vec<Granted>>, _, _, _>(
        Exchange::new(|_: &Words| 0),
        "Coordinator",
        |_, info| {
            let waker = || worker.sync_activator_for(info.address.to_vec());
            if is_first {
                owed.wake_by(waker());
            }
            let mail: Arc<Mail<Settled>> = Mail::new(waker());
            move |input, output| {
                mail.take().iter().for_each(|Settled| coordinator.settled());
                input.for_each(|time, asks| {
                    let mut session = output.session(&time);
                    for said in asks.drain(..).map(said_of) {
                        let told = match said {
                            None => {
                                let told = coordinator.begin(clock());
                                told.iter().for_each(|_| run.progress.tell(Event::CheckpointBegun));
                                told
                            }
                            Some(said) => coordinator.hear(said, clock(), &owed).map(Told::Grant),
                        };
                        told.into_iter().for_each(|told| session.give(granted_of(told)));
                    }
                });
                if let Some(whole) = coordinator.whole(&owed) {
                    scribe.write(whole, &mail);
                }
            }
        },
    )
}

fn words_of(said: Said) -> Words {
    match said {
        Said::Head(epoch) => (0, epoch, 0, Default::default()),
        Said::Part { checkpoint, worker, part: Part { object, bytes, positions, blocks } } => {
            let positions = positions.iter().map(|at| (at.partition, at.offset)).collect();
            let objects = std::iter::once(object).chain(blocks).collect();
            (1, checkpoint.cast_signed(), worker as u64, (objects, bytes, positions))
        }
        Said::Failed { checkpoint } => (2, checkpoint.cast_signed(), 0, Default::default()),
        Said::Held { checkpoint, entered } => (3, entered, checkpoint, Default::default()),
    }
}

/// What was said; nothing where it is only to be looked whether a checkpoint is due.
fn said_of((kind, number, worker, (mut objects, bytes, positions)): Words) -> Option<Said> {
    let checkpoint = number.cast_unsigned();
    Some(match kind {
        LOOK => return None,
        0 => Said::Head(number),
        1 => {
            let position = |(partition, offset)| Position { partition, offset };
            let positions = positions.into_iter().map(position).collect();
            let blocks = objects.split_off(1.min(objects.len()));
            let part = Part { object: objects.pop()?, bytes, positions, blocks };
            Said::Part { checkpoint, worker: worker as usize, part }
        }
        2 => Said::Failed { checkpoint },
        _ => Said::Held { checkpoint: worker, entered: number },
    })
}

fn granted_of(told: Told) -> Granted {
    match told {
        Told::Grant(grant) => {
            let Gate { granted, boundary } = grant.gate;
            (Some(granted), grant.ask_at, boundary, grant.checkpoint)
        }
        Told::Hold { checkpoint } => (None, 0, None, checkpoint),
    }
}

fn told_of((granted, ask_at, boundary, checkpoint): Granted) -> Told {
    match granted {
        Some(granted) => {
            Told::Grant(Grant { gate: Gate { granted, boundary }, ask_at, checkpoint })
        }
        None => Told::Hold { checkpoint },
    }
}
