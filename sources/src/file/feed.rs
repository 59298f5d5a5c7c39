//! The feed of one partition of files: tasks ahead on the pool, their pieces delivered in order.
//!
//! ```text
//! files -> plan of the open file -> tasks -> streams (in order) -> rows numbered, order checked -> batch
//! ```
//! At most `2 * threads + 2` streams are ahead, each with at most [`QUEUED_MAX`] pieces when its task goes
//! on for another step: so all threads are at work though one stream at a time is delivered.
//! One file is open at a time, but for tasks still at work on the one before.

use super::desk::Desk;
use super::fail;
use super::order::OrderCheck;
use super::pool::Pool;
use crate::{Decoded, Fed, Feed};
use market::{Offset, PartitionError, Waker};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces of a stream that wait to be delivered before its task pauses.
const QUEUED_MAX: usize = 8;
/// Pieces that a task makes at a step.
pub(super) const STEP_PIECES: usize = 4;

/// A decoded part of a file; offsets are row numbers within it.
pub(super) struct Piece {
    pub(super) batch: Box<Decoded>,
    /// Rows of the file it covers, those that a filter dropped included.
    pub(super) rows: u64,
    pub(super) filtered: u64,
    /// Of the file, for progress.
    pub(super) bytes: u64,
}

/// What a task did.
pub(super) struct Step {
    pub(super) pieces: Vec<Piece>,
    /// Whether it has nothing left to do.
    pub(super) done: bool,
}

/// A part of a file that one thread at a time decodes.
pub(super) trait Task: Send {
    fn step(&mut self, desk: &mut Desk) -> Result<Step, PartitionError>;
}

/// What a plan has next.
pub(super) enum Planned {
    Task(Box<dyn Task>),
    /// The bell will ring.
    NotYet,
    End,
}

/// The tasks of one file, in order.
pub(super) trait Plan: Send {
    fn next(&mut self) -> Result<Planned, PartitionError>;

    /// Goes on near the end of the file, where the format allows it: to find the last record.
    fn skip_to_tail(&mut self) {}
}

/// Calls who waits for a feed.
#[derive(Clone, Default)]
pub(super) struct Bell(Arc<Rope>);

#[derive(Default)]
struct Rope {
    waker: Mutex<Option<Waker>>,
    /// Whether somebody found nothing and waits.
    awaited: AtomicBool,
}

impl Bell {
    /// Calls, if somebody said that he waits: a call costs more than a piece.
    fn answer(&self) {
        if self.0.awaited.swap(false, Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Wants an answer. Whoever waits looks once more after this: what came before is not told.
    fn wait(&self) {
        self.0.awaited.store(true, Ordering::SeqCst);
    }

    fn is_awaited(&self) -> bool {
        self.0.awaited.load(Ordering::SeqCst)
    }

    /// Calls.
    pub(super) fn ring(&self) {
        let waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker();
        }
    }

    /// Also rings once, for what happened before.
    pub(super) fn set(&self, waker: Waker) {
        *self.0.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
        self.ring();
    }
}

/// Opens a file of the partition.
pub(super) type OpenFile =
    Box<dyn Fn(&PathBuf, &Bell) -> Result<Box<dyn Plan>, PartitionError> + Send>;

#[derive(Default)]
struct Queue {
    pieces: VecDeque<Piece>,
    /// Paused; absent while it works.
    task: Option<Box<dyn Task>>,
    /// Whether a thread was asked to take the task.
    asked: bool,
    done: bool,
    error: Option<PartitionError>,
}

type Stream = Arc<Mutex<Queue>>;

enum Next {
    Piece(Piece),
    Pending,
    StreamEnd,
}

/// One partition of files.
pub(super) struct FileFeed {
    pool: Arc<Pool>,
    bell: Bell,
    files: Vec<PathBuf>,
    open: OpenFile,
    plan: Option<Box<dyn Plan>>,
    /// Files opened so far.
    opened: usize,
    /// With the number of their file.
    streams: VecDeque<(usize, Stream)>,
    /// The file that is delivered, and its rows so far.
    file: usize,
    rows: u64,
    order: Option<OrderCheck>,
    filtered: Arc<AtomicU64>,
    bytes: u64,
    bytes_total: u64,
    failed: Option<PartitionError>,
}

impl FileFeed {
    /// Opens the first file, so that one that cannot be read is refused at the start.
    pub(super) fn new(
        pool: Arc<Pool>,
        files: Vec<PathBuf>,
        open: OpenFile,
        order: Option<OrderCheck>,
        filtered: Arc<AtomicU64>,
        bytes_total: u64,
    ) -> Result<Self, PartitionError> {
        let bell = Bell::default();
        let plan = files.first().map(|path| open(path, &bell)).transpose()?;
        let opened = usize::from(plan.is_some());
        Ok(FileFeed {
            pool,
            bell,
            files,
            open,
            plan,
            opened,
            streams: VecDeque::new(),
            file: 0,
            rows: 0,
            order,
            filtered,
            bytes: 0,
            bytes_total,
            failed: None,
        })
    }

    /// Starts tasks up to the bound. An error waits until what was read before it is delivered.
    fn plan_ahead(&mut self) {
        while self.failed.is_none() && self.streams.len() < 2 * self.pool.threads + 2 {
            let Some(plan) = &mut self.plan else { return };
            match plan.next() {
                Ok(Planned::Task(task)) => {
                    let queue = Queue { task: Some(task), ..Queue::default() };
                    let stream = Arc::new(Mutex::new(queue));
                    self.go_on(&stream, self.opened - 1);
                    self.streams.push_back((self.opened - 1, stream));
                }
                Ok(Planned::NotYet) => return,
                Ok(Planned::End) => self.open_next(),
                Err(error) => self.failed = Some(error),
            }
        }
    }

    fn open_next(&mut self) {
        self.plan = None;
        if let Some(path) = self.files.get(self.opened) {
            self.opened += 1;
            match (self.open)(path, &self.bell) {
                Ok(plan) => self.plan = Some(plan),
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// Has a thread take the stream's task for a step, if it is paused and there is room.
    fn go_on(&self, stream: &Stream, file: usize) {
        let mut queue = lock(stream);
        if queue.asked || queue.task.is_none() || queue.pieces.len() >= QUEUED_MAX {
            return;
        }
        queue.asked = true;
        drop(queue);
        let (stream, bell) = (stream.clone(), self.bell.clone());
        let path = self.files[file].clone();
        self.pool.submit(Box::new(move |desk| {
            let Some(mut task) = lock(&stream).task.take() else { return };
            // If the decoder panics, this says so when it is dropped.
            let mut watch = Watch { stream, bell, path, outcome: None };
            watch.outcome = Some(task.step(desk).map(|step| (step, task)));
        }));
    }

    fn next_piece(&mut self) -> Result<Next, PartitionError> {
        let Some((file, stream)) = self.streams.front() else { return Ok(Next::StreamEnd) };
        let (file, stream) = (*file, stream.clone());
        if file != self.file {
            self.end_file()?;
            self.file = file;
        }
        let mut queue = lock(&stream);
        let piece = queue.pieces.pop_front();
        let is_over = piece.is_none() && queue.done;
        let error = if piece.is_none() { queue.error.take() } else { None };
        drop(queue);
        if let Some(error) = error {
            return Err(error);
        }
        if is_over {
            self.streams.pop_front();
            return Ok(Next::StreamEnd);
        }
        Ok(piece.map_or(Next::Pending, Next::Piece))
    }

    fn end_file(&mut self) -> Result<(), PartitionError> {
        self.rows = 0;
        let path = &self.files[self.file];
        self.order.as_mut().map_or(Ok(()), |order| order.end_file(path))
    }

    /// Numbers the rows of a piece within the partition and checks their order.
    fn deliver(&mut self, piece: Piece) -> Result<Option<Box<Decoded>>, PartitionError> {
        let Piece { mut batch, rows, filtered, bytes } = piece;
        let base = Offset::in_file(self.file as u32, self.rows).raw();
        self.rows += rows;
        self.bytes += bytes;
        self.filtered.fetch_add(filtered, Ordering::Relaxed);
        for offset in &mut batch.trades.offset {
            *offset = Offset::from_raw(base + offset.raw());
        }
        for record in &mut batch.undecoded {
            record.offset = Offset::from_raw(base + record.offset.raw());
        }
        if let Some(order) = &mut self.order {
            let path = &self.files[self.file];
            order.check(path, &batch.trades)?;
        }
        if batch.trades.is_empty() && batch.undecoded.is_empty() {
            self.pool.spare.put(batch);
            return Ok(None);
        }
        Ok(Some(batch))
    }
}

impl Feed for FileFeed {
    fn poll(&mut self) -> Result<Fed, PartitionError> {
        loop {
            self.plan_ahead();
            self.streams.iter().for_each(|(file, stream)| self.go_on(stream, *file));
            match self.next_piece()? {
                Next::Piece(piece) => {
                    if let Some(batch) = self.deliver(piece)? {
                        return Ok(Fed::Batch(batch));
                    }
                }
                Next::Pending if self.bell.is_awaited() => return Ok(Fed::Pending),
                Next::Pending => self.bell.wait(),
                Next::StreamEnd if !self.streams.is_empty() => {}
                Next::StreamEnd => {
                    if let Some(error) = self.failed.take() {
                        return Err(error);
                    }
                    // Tasks may have been planned since; without a plan there are none to come.
                    self.plan_ahead();
                    if self.streams.is_empty() && self.failed.is_none() {
                        if self.plan.is_some() && self.bell.is_awaited() {
                            return Ok(Fed::Pending);
                        }
                        if self.plan.is_some() {
                            self.bell.wait();
                            continue;
                        }
                        if !self.files.is_empty() {
                            self.end_file()?;
                        }
                        return Ok(Fed::End);
                    }
                }
            }
        }
    }

    fn recycle(&mut self, batch: Box<Decoded>) {
        self.pool.spare.put(batch);
    }

    fn wake_by(&mut self, waker: Waker) {
        self.bell.set(waker);
    }

    fn source_of(&self, offset: Offset) -> String {
        let path = self.files.get(offset.file() as usize);
        path.map_or_else(String::new, |path| path.display().to_string())
    }

    fn progress(&self) -> Option<f64> {
        (self.bytes_total > 0).then(|| (self.bytes as f64 / self.bytes_total as f64).min(1.0))
    }
}

/// A step that was done, with its task.
type Outcome = Result<(Step, Box<dyn Task>), PartitionError>;

/// Hands the outcome of a step to its stream, also when the step panicked.
struct Watch {
    stream: Stream,
    bell: Bell,
    path: PathBuf,
    outcome: Option<Outcome>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let outcome = self
            .outcome
            .take()
            .unwrap_or_else(|| Err(fail(&self.path, "the file is corrupt: its decoder gave up")));
        let mut queue = lock(&self.stream);
        match outcome {
            Ok((step, task)) => {
                queue.pieces.extend(step.pieces);
                queue.done = step.done;
                queue.task = (!step.done).then_some(task);
                queue.asked = false;
            }
            Err(error) => {
                queue.done = true;
                queue.error = Some(error);
            }
        }
        drop(queue);
        self.bell.answer();
    }
}

fn lock(stream: &Stream) -> std::sync::MutexGuard<'_, Queue> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
