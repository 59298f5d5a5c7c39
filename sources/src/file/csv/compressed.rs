//! A compressed text file: a thread of its own inflates ahead, at most [`AHEAD_MAX`] chunks.

use super::super::desk::Desk;
use super::super::fail;
use super::super::feed::{Bell, Plan, Planned, Step, Task};
use super::{CHUNK_BYTES, Chunk, LINE_BYTES_MAX, PAD, Shape, decode_chunk};
use market::PartitionError;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

/// Inflated chunks that wait for a decoder.
const AHEAD_MAX: usize = 4;

type Inflated = Result<Chunk, PartitionError>;

/// The chunks of a compressed file, as its thread inflates them.
pub(in super::super) struct Compressed {
    chunks: Receiver<Inflated>,
    shape: Arc<Shape>,
    path: PathBuf,
}

impl Compressed {
    /// Starts the thread. `ahead` was read from `input` already.
    pub(in super::super) fn start(
        input: Box<dyn Read + Send>,
        ahead: Vec<u8>,
        path: PathBuf,
        shape: Shape,
        bell: Bell,
    ) -> Result<Self, PartitionError> {
        let (sender, chunks) = sync_channel(AHEAD_MAX);
        let source = path.clone();
        std::thread::Builder::new()
            .name("inflate".to_owned())
            .spawn(move || {
                inflate(input, ahead, &source, &sender, &bell);
                drop(sender);
                bell.ring();
            })
            .map_err(|error| fail(&path, &format!("no thread to inflate it: {error}")))?;
        Ok(Compressed { chunks, shape: Arc::new(shape), path })
    }
}

impl Plan for Compressed {
    fn next(&mut self) -> Result<Planned, PartitionError> {
        match self.chunks.try_recv() {
            Ok(Ok(chunk)) => {
                let task = CompressedTask { chunk: Some(chunk), shape: self.shape.clone() };
                Ok(Planned::Task(Box::new(task)))
            }
            Ok(Err(error)) => Err(error),
            Err(TryRecvError::Empty) => Ok(Planned::NotYet),
            Err(TryRecvError::Disconnected) => Ok(Planned::End),
        }
    }
}

impl std::fmt::Debug for Compressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Compressed({})", self.path.display())
    }
}

struct CompressedTask {
    chunk: Option<Chunk>,
    shape: Arc<Shape>,
}

impl Task for CompressedTask {
    fn step(&mut self, desk: &mut Desk) -> Result<Step, PartitionError> {
        let chunk = self.chunk.take();
        let pieces = chunk.map(|chunk| decode_chunk(chunk, &self.shape, desk));
        Ok(Step { pieces: pieces.into_iter().collect(), done: true })
    }
}

/// Cuts what is inflated into chunks of whole lines; ends early when nobody wants them any more.
fn inflate(
    mut input: Box<dyn Read + Send>,
    ahead: Vec<u8>,
    path: &Path,
    sender: &SyncSender<Inflated>,
    bell: &Bell,
) {
    let mut carried = ahead;
    let mut skipping = false;
    loop {
        let (chunk, outcome) = next_chunk(&mut *input, &mut carried, &mut skipping);
        if let Some(chunk) = chunk {
            if sender.send(Ok(chunk)).is_err() {
                return;
            }
            bell.ring();
        }
        match outcome {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                let what = format!("the compressed data are corrupt or end early: {error}");
                // Nobody left to tell is no error.
                let _ = sender.send(Err(fail(path, &what)));
                return;
            }
        }
    }
}

/// The next chunk, and whether there may be more.
fn next_chunk(
    input: &mut dyn Read,
    carried: &mut Vec<u8>,
    skipping: &mut bool,
) -> (Option<Chunk>, io::Result<bool>) {
    let mut bytes = Vec::with_capacity(PAD + CHUNK_BYTES + carried.len() + 1);
    bytes.resize(PAD, b'\n');
    bytes.append(carried);
    let read = input.take(CHUNK_BYTES as u64).read_to_end(&mut bytes);
    if *skipping {
        let end = memchr::memchr(b'\n', &bytes[PAD..]);
        let skipped = end.map_or(bytes.len(), |end| PAD + end + 1);
        *skipping = end.is_none();
        bytes.drain(PAD..skipped);
    }
    let at_end = matches!(read, Ok(0));
    let mut is_cut = false;
    match memchr::memrchr(b'\n', &bytes[PAD..]) {
        _ if at_end => {
            if bytes.last() != Some(&b'\n') {
                bytes.push(b'\n');
            }
        }
        Some(end) => *carried = bytes.split_off(PAD + end + 1),
        None if bytes.len() - PAD >= LINE_BYTES_MAX => {
            bytes.push(b'\n');
            (is_cut, *skipping) = (true, true);
        }
        None => *carried = bytes.split_off(PAD),
    }
    let to = bytes.len();
    let chunk = (to > PAD).then_some(Chunk { bytes, from: PAD, to, is_cut });
    (chunk, read.map(|read| read > 0))
}
