//! Runs a graph: workers, processes, and how a run ends.

use super::greatest;
use super::held::saved;
use super::inputs::{Inputs, Joins, OpenAll};
use super::meet::meet;
use super::outlet::{self, Leaving, Left, OutletPlan};
use super::plan::{Plan, PlanError};
use super::told::{Given, Heard, told};
use super::watch::{Outcome, Progress, Watch};
use super::wiring::{self, Beginning};
use crate::checkpoint::{
    Checkpoints, Cuts, Entry, Office, Owed, RestoreError, Restored, Scribe, SequenceError, control,
};
use crate::live::LiveView;
use market::{Epoch, Partition, PartitionError, Sink, SinkError, Symbols, Time};
use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::{Config as Communication, Hooks};
use timely::execute::execute_from;
use timely::worker::Worker;

/// What a partition begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// When the run first started: the same time in every process.
    pub at: Time,
    /// What [`Partition::snapshot`] gave, where the run goes on from a checkpoint that holds it.
    pub saved: Option<Vec<u8>>,
}

/// Opens a partition on the worker that reads it.
pub type Opener = Box<dyn FnOnce(Start) -> Result<Box<dyn Partition>, PartitionError> + Send>;

/// Workers and processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Workers of each process.
    pub workers: usize,
    /// This process's number.
    pub process: usize,
    /// `host:port` of every process; empty where there is only this one.
    pub addresses: Vec<String>,
    /// When the run first started. What process 0 says holds for all; the others' word is not heard.
    pub started_at: Time,
    /// What all processes must be given alike: a run whose processes differ ends at once.
    pub terms: String,
}

impl Cluster {
    /// One process of `workers` workers, for partitions that don't ask when the run started.
    pub fn local(workers: usize) -> Self {
        let (addresses, started_at) = (Vec::new(), Time::from_ns(0));
        Cluster { workers, process: 0, addresses, started_at, terms: String::new() }
    }
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The plan can't run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A source can't be read on.
    #[error(transparent)]
    Source(#[from] PartitionError),
    /// A sink can't go on.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// Not all processes were given the same.
    #[error(
        "the processes of this run were not given the same configuration and input, wanted the same for all"
    )]
    Differs,
    /// A partition that cannot be kept in a checkpoint.
    #[error("partition {0} cannot say what it holds, so a run that reads it keeps no checkpoints")]
    NoSnapshot(usize),
    /// The checkpoint cannot be gone on from.
    #[error("checkpoints: {0}")]
    Restore(#[from] RestoreError),
    /// Another run has taken over.
    #[error("checkpoints: {0}")]
    Sequence(#[from] SequenceError),
    /// The workers could not be started or did not end well.
    #[error("workers: {0}")]
    Workers(String),
}

/// The partitions of a process, which open when process 0 has told.
enum Opening {
    Untold(Option<OpenAll>),
    Told(Vec<(usize, Opener)>),
}

/// What a run's threads share.
pub(crate) struct Shared {
    pub stop: Arc<AtomicBool>,
    pub progress: Arc<Progress>,
    /// Told of trades as they are read.
    pub live: Option<Arc<LiveView>>,
    /// Partitions that join.
    pub joins: Joins,
    failure: Mutex<Option<RunError>>,
    inputs: Mutex<Opening>,
    greatest: Option<Arc<AtomicI64>>,
    outlet: Mutex<Option<SyncSender<Leaving>>>,
    complete: AtomicU64,
    office: Option<Office>,
    /// What the run goes on from: read once a process, by the first worker that is told.
    restored: OnceLock<Option<Restored>>,
    /// Who writes this process's share of checkpoints.
    scribe: OnceLock<Scribe>,
}

impl Shared {
    /// What the threads of a run over these partitions share; `outlet` where rows leave by this process.
    pub(crate) fn new(watch: Watch, inputs: Inputs, outlet: Option<SyncSender<Leaving>>) -> Self {
        Shared {
            stop: watch.stop,
            progress: watch.progress,
            live: watch.live,
            joins: inputs.joins,
            failure: Mutex::new(None),
            inputs: Mutex::new(Opening::Untold(Some(inputs.open))),
            greatest: inputs.greatest,
            outlet: Mutex::new(outlet),
            complete: AtomicU64::new(0),
            office: None,
            restored: OnceLock::new(),
            scribe: OnceLock::new(),
        }
    }

    /// Reads the checkpoint that the run goes on from, where there is one.
    fn restore(&self, from: Option<&str>, symbols: &Symbols) -> Option<&Restored> {
        let read = || {
            let checkpoints = &self.office.as_ref()?.checkpoints;
            let restored = Restored::read(checkpoints, from?, symbols);
            restored.map_err(|error| self.fail(error.into())).ok()
        };
        self.restored.get_or_init(read).as_ref()
    }

    /// Ends the run with `error`, unless it has failed already.
    pub(crate) fn fail(&self, error: RunError) {
        let mut failure = self.failure.lock().expect("no holder of this lock panics");
        failure.get_or_insert(error);
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Why the run failed, if it did.
    pub(crate) fn failure(&self) -> Option<RunError> {
        self.failure.lock().expect("no holder of this lock panics").take()
    }

    /// Opens the partitions of worker `index` of `peers`.
    pub(crate) fn open(
        &self,
        (index, peers): (usize, usize),
        heard: &Heard,
        from: Option<&Restored>,
    ) -> Vec<(usize, Box<dyn Partition>)> {
        let mut inputs = self.inputs.lock().expect("no holder of this lock panics");
        if let Opening::Untold(open) = &mut *inputs
            && let Some(open) = open.take()
        {
            let openers = open(&heard.inputs).map_err(|error| self.fail(error.into()));
            *inputs = Opening::Told(openers.unwrap_or_default());
        }
        let Opening::Told(partitions) = &mut *inputs else { return Vec::new() };
        let mut mine = Vec::new();
        for (number, open) in partitions.extract_if(.., |(number, _)| *number % peers == index) {
            let saved = from.and_then(|from| saved(from, number));
            match open(Start { at: heard.start, saved }) {
                Ok(partition) => mine.push((number, partition)),
                Err(error) => self.fail(error.into()),
            }
        }
        mine
    }
}

/// Runs `plan` over `inputs` until they end or the watch stops it. Every process is given the same plan and
/// opens the same partitions, and reads those of its own workers; rows go to the sinks of process 0. With
/// `checkpoints` it goes on from the last one, and keeps more.
///
/// # Errors
/// Fails when the plan can't run, a source can't be read on, or a sink can't go on; what was complete
/// by then has been handed to the sinks.
pub fn run(
    plan: Plan,
    cluster: Cluster,
    inputs: impl Into<Inputs>,
    sinks: Vec<Box<dyn Sink>>,
    watch: Watch,
    checkpoints: Option<Checkpoints>,
) -> Result<Outcome, RunError> {
    plan.check()?;
    let owed = checkpoints.as_ref().map(|_| Arc::new(Owed::new()));
    let (sender, thread) = match cluster.process {
        0 => {
            let (sender, thread) = outlet::start(outlet_plan(&plan, owed.clone(), &watch), sinks);
            (Some(sender), Some(thread))
        }
        _ => (None, None),
    };
    let mut inputs = inputs.into();
    let told = std::mem::take(&mut inputs.told);
    let mut shared = Shared::new(watch, inputs, sender);
    shared.office = checkpoints.zip(owed).map(|(checkpoints, owed)| Office { checkpoints, owed });
    let shared = Arc::new(shared);
    let workers = start_workers(plan, &cluster, told, shared.clone());
    shared.joins.end();
    drop(shared.outlet.lock().expect("no holder of this lock panics").take());
    let left = match thread.map(JoinHandleExt::finish) {
        Some(left) => left?,
        None => Left {
            counts: shared.progress.counts(),
            complete: shared.complete.load(Ordering::SeqCst) > 0,
            ..Left::default()
        },
    };
    if let Some(error) = shared.failure() {
        return Err(error);
    }
    workers?;
    let counts = if left.complete { left.counts } else { shared.progress.counts() };
    let Left { tables, spread_symbols, complete, .. } = left;
    Ok(Outcome { counts, tables, spread_symbols, complete })
}

/// Joins the sinks' thread.
trait JoinHandleExt {
    fn finish(self) -> Result<Left, RunError>;
}

impl JoinHandleExt for std::thread::JoinHandle<Result<Left, RunError>> {
    fn finish(self) -> Result<Left, RunError> {
        self.join().unwrap_or_else(|_| Err(RunError::Workers("a sink panicked".to_owned())))
    }
}

fn outlet_plan(plan: &Plan, owed: Option<Arc<Owed>>, watch: &Watch) -> OutletPlan {
    OutletPlan {
        tables: plan.tables(),
        epoch: plan.epoch,
        lateness_ns: plan.lateness_ns,
        symbols: plan.symbols.clone(),
        owed,
        progress: watch.progress.clone(),
    }
}

fn start_workers(
    plan: Plan,
    cluster: &Cluster,
    inputs: String,
    shared: Arc<Shared>,
) -> Result<(), RunError> {
    let Some((builders, others)) = communication(cluster, &shared.stop)? else { return Ok(()) };
    let claimed = shared.office.as_ref().and_then(|office| office.checkpoints.claimed.as_ref());
    let from = claimed.and_then(|claimed| claimed.manifest.clone());
    let together = cluster.addresses.len() > 1;
    let given = Given {
        start: cluster.started_at,
        terms: cluster.terms.clone(),
        inputs,
        threads: cluster.workers.max(1),
        together,
        generation: claimed.map_or(0, |claimed| claimed.generation),
        from: from.map(|(_, manifest)| Entry::Manifest(manifest).text()),
    };
    let (stop, left) = (shared.stop.clone(), Arc::new(AtomicU64::new(0)));
    let leaving = left.clone();
    let work = move |worker: &mut Worker| {
        let ended = work(worker, &plan, &given, &shared);
        leaving.fetch_add(1, Ordering::SeqCst);
        // A worker that returns says goodbye, and the others would wait for what it never finished.
        if together && !ended {
            loop {
                std::thread::park();
            }
        }
    };
    let guards = execute_from(builders, others, timely::WorkerConfig::default(), work);
    let guards = guards.map_err(RunError::Workers)?;
    let (tell, ended) = channel();
    std::thread::spawn(move || {
        let joined = guards.join().into_iter().collect::<Result<Vec<()>, _>>();
        // Nobody listens any more where the run was stopped.
        let _ = tell.send(joined.map(|_| ()));
    });
    loop {
        match ended.recv_timeout(PARK) {
            Ok(joined) => return joined.map_err(RunError::Workers),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            // The other processes learn of a stop when this one ends, and its sockets with it.
            Err(RecvTimeoutError::Timeout) => {
                let all_left = left.load(Ordering::SeqCst) == cluster.workers.max(1) as u64;
                if stop.load(Ordering::Relaxed) && all_left {
                    return Ok(());
                }
            }
        }
    }
}

/// What the workers of a process are made of, and what is kept as long as they run.
type Builders = (Vec<AllocatorBuilder>, Box<dyn Any + Send>);

/// Joins the workers of this process, and the processes; none when the run was stopped before all were there.
fn communication(cluster: &Cluster, stop: &AtomicBool) -> Result<Option<Builders>, RunError> {
    let (threads, process) = (cluster.workers.max(1), cluster.process);
    if cluster.addresses.len() < 2 {
        let local = match threads {
            1 => Communication::Thread,
            threads => Communication::Process(threads),
        };
        return local.try_build().map(Some).map_err(RunError::Workers);
    }
    let failed = |error: std::io::Error| RunError::Workers(error.to_string());
    let Some(met) = meet(&cluster.addresses, process, stop).map_err(failed)? else {
        return Ok(None);
    };
    let hooks = Hooks::default();
    let (refill, spill) = (hooks.refill.clone(), hooks.spill.clone());
    let inside = ProcessBuilder::new_typed_vector(threads, refill, spill);
    let (builders, threads) =
        initialize_networking_from_sockets(inside, met, process, threads, hooks).map_err(failed)?;
    let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
    Ok(Some((builders, Box::new(threads))))
}

/// How long a worker sleeps at most before it looks whether the run was stopped.
pub(super) const PARK: Duration = Duration::from_millis(50);

/// A worker's part; whether all workers come to the same end.
fn work(worker: &mut Worker, plan: &Plan, given: &Given, shared: &Arc<Shared>) -> bool {
    let Some(heard) = told(worker, given, &shared.stop) else { return leave(worker) };
    if heard.differs {
        shared.fail(RunError::Differs);
        return true;
    }
    if let Some(greatest) = shared.greatest.as_ref().filter(|_| given.together) {
        greatest::tell(worker, greatest, worker.index().is_multiple_of(given.threads));
    }
    let from = shared.restore(heard.from.as_deref(), &plan.symbols);
    if from.is_some_and(|from| !from.fits(plan)) {
        shared.fail(RestoreError::Lacks.into());
    }
    let partitions = shared.open((worker.index(), worker.peers()), &heard, from);
    let cuts = match &shared.office {
        None => Cuts::open(),
        Some(office) => {
            let cuts = Cuts::closed(heard.generation, worker.index());
            let scribe = shared.scribe.get_or_init(|| {
                Scribe::start(&office.checkpoints, heard.generation, &plan.symbols, shared)
            });
            control(worker, &cuts, office, scribe, shared);
            cuts
        }
    };
    let outlet = match worker.index() {
        0 => shared.outlet.lock().expect("no holder of this lock panics").take(),
        _ => None,
    };
    let beginning = Beginning { partitions, outlet, cuts, from, at: heard.start };
    let probe = wiring::build(worker, plan, beginning, shared);
    let turning = shared.progress.join(worker.index());
    while !probe.done() && !shared.stop.load(Ordering::Relaxed) {
        worker.step_or_park(Some(PARK));
        turning.turn(probe.with_frontier(|at| at.first().copied().unwrap_or(Epoch::MAX)));
    }
    let ended = probe.done();
    if ended {
        shared.complete.store(1, Ordering::SeqCst);
    }
    leave(worker);
    ended
}

/// Drops what has not ended, so that the worker does.
pub(crate) fn leave(worker: &mut Worker) -> bool {
    for dataflow in worker.installed_dataflows() {
        worker.drop_dataflow(dataflow);
    }
    false
}
