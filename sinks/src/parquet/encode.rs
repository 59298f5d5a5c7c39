//! Files encoded side by side: every thread takes the next row group of a file, encodes it, and appends
//! it when its turn has come.
//!
//! ```text
//! file A:  rows --lock--> group 0, 1, 2 ... --encoded on any thread--> appended in order --> A
//! file B:  the same; thread i begins with file i, and helps with the others when that one has no more
//! ```
//! A thread holds one encoded group at a time and waits with it for its turn, so memory is bounded by
//! the threads. What a file holds depends on its rows alone, not on how many threads there were.

use super::file::{BATCH_ROWS, Encoder, GROUP_BATCHES, Writer, create};
use super::merge::Merge;
use super::sorted::Sorted;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::errors::ParquetError;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Threads at most, however many cores there are: each holds a row group.
const THREADS_MAX: usize = 8;
/// Rows of a row group.
const GROUP_ROWS: usize = BATCH_ROWS * GROUP_BATCHES;

/// Rows of a file, in order.
pub(super) enum Source<'a> {
    /// All of them waited in memory.
    Memory(Arc<Sorted<'a>>),
    /// They are read from files, and some may wait in memory.
    Merge(Box<Merge<'a>>),
}

/// Opens the rows of a file, and says what columns they have.
pub(super) type Open<'a> =
    Box<dyn FnOnce() -> Result<(SchemaRef, Source<'a>), ParquetError> + Send + 'a>;

/// A file to be written.
pub(super) struct Job<'a> {
    path: PathBuf,
    feed: Mutex<Feed<'a>>,
    target: Mutex<Target>,
    turn: Condvar,
}

/// Where groups come from.
struct Feed<'a> {
    open: Option<Open<'a>>,
    /// None before it is opened, and when it has ended or failed.
    source: Option<(Source<'a>, Arc<Encoder>)>,
    next: usize,
}

/// Where groups go, in order.
struct Target {
    writer: Option<Writer>,
    appended: usize,
    failed: bool,
}

/// A group to be encoded.
struct Group<'a> {
    number: usize,
    rows: Rows<'a>,
    is_last: bool,
    encoder: Arc<Encoder>,
}

enum Rows<'a> {
    /// Those from this number on.
    Memory(Arc<Sorted<'a>>, usize),
    Batches(Vec<RecordBatch>),
}

/// Writes every file, on as many threads as there are cores and files or groups for.
///
/// # Errors
/// Fails with the first failure; files that were complete by then have their names.
pub(super) fn write_all(jobs: &[Job<'_>]) -> Result<(), ParquetError> {
    if jobs.is_empty() {
        return Ok(());
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let helper = |first: usize| {
        let mut order = jobs.iter().cycle().skip(first % jobs.len()).take(jobs.len());
        order.try_for_each(Job::help)
    };
    thread::scope(|scope| {
        let more: Vec<_> = (1..cores.min(THREADS_MAX))
            .map(|first| thread::Builder::new().spawn_scoped(scope, move || helper(first)))
            .collect();
        let mut result = helper(0);
        // A thread that the system does not give is missed by nobody: the others do its part.
        for thread in more.into_iter().flatten() {
            let panicked = |_| Err(ParquetError::General("a thread panicked".to_owned()));
            result = result.and(thread.join().unwrap_or_else(panicked));
        }
        result
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Who panicked has marked its file as failed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Job<'a> {
    /// The file at `path`, of the rows that `open` opens.
    pub(super) fn new(path: PathBuf, open: Open<'a>) -> Self {
        Job {
            path,
            feed: Mutex::new(Feed { open: Some(open), source: None, next: 0 }),
            target: Mutex::new(Target { writer: None, appended: 0, failed: false }),
            turn: Condvar::new(),
        }
    }

    /// Takes groups, encodes and appends them until there are no more.
    fn help(&self) -> Result<(), ParquetError> {
        let mut watch = Watch { job: self, done: false };
        while let Some(group) = self.next()? {
            let (number, is_last) = (group.number, group.is_last);
            self.append(number, group.encode()?, is_last)?;
        }
        watch.done = true;
        Ok(())
    }

    fn next(&self) -> Result<Option<Group<'a>>, ParquetError> {
        let mut feed = lock(&self.feed);
        if let Some(open) = feed.open.take() {
            let (schema, source) = open()?;
            let (writer, encoder) = create(&self.path, &schema)?;
            lock(&self.target).writer = Some(writer);
            feed.source = Some((source, Arc::new(encoder)));
        }
        let Some((mut source, encoder)) = feed.source.take() else { return Ok(None) };
        let number = feed.next;
        let (rows, is_last) = match &mut source {
            Source::Memory(sorted) => {
                let first = number * GROUP_ROWS;
                (Rows::Memory(sorted.clone(), first), first + GROUP_ROWS >= sorted.len())
            }
            Source::Merge(merge) => {
                let batches = merge.next(GROUP_BATCHES)?;
                (Rows::Batches(batches), merge.is_done())
            }
        };
        feed.next += 1;
        feed.source = (!is_last).then_some((source, encoder.clone()));
        Ok(Some(Group { number, rows, is_last, encoder }))
    }

    fn append(
        &self,
        number: usize,
        columns: Vec<ArrowColumnChunk>,
        is_last: bool,
    ) -> Result<(), ParquetError> {
        let target = lock(&self.target);
        let is_early = |target: &mut Target| target.appended < number && !target.failed;
        let waited = self.turn.wait_while(target, is_early);
        let mut target = waited.unwrap_or_else(PoisonError::into_inner);
        if target.failed {
            return Ok(());
        }
        // A group may turn out to have no row, when the last rows of the input are left out.
        if let Some(writer) = target.writer.as_mut().filter(|_| !columns.is_empty()) {
            writer.append(columns)?;
        }
        target.appended += 1;
        let finished = if is_last { target.writer.take() } else { None };
        drop(target);
        self.turn.notify_all();
        finished.map_or(Ok(()), Writer::finish)
    }
}

/// Lets nobody wait for the turn of one that failed.
struct Watch<'a, 'b> {
    job: &'a Job<'b>,
    done: bool,
}

impl Drop for Watch<'_, '_> {
    fn drop(&mut self) {
        if !self.done {
            lock(&self.job.target).failed = true;
            self.job.turn.notify_all();
        }
    }
}

impl Group<'_> {
    fn is_empty(&self) -> bool {
        match &self.rows {
            Rows::Memory(sorted, first) => *first >= sorted.len(),
            Rows::Batches(batches) => batches.is_empty(),
        }
    }

    /// The columns; none where there are no rows.
    fn encode(self) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let mut group = self.encoder.group(self.number)?;
        match self.rows {
            Rows::Memory(sorted, first) => {
                for at in (first..sorted.len().min(first + GROUP_ROWS)).step_by(BATCH_ROWS) {
                    group.write(&sorted.batch(at, BATCH_ROWS)?)?;
                }
            }
            Rows::Batches(batches) => batches.iter().try_for_each(|rows| group.write(rows))?,
        }
        group.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parquet::buffer::Buffer;
    use crate::parquet::fold::from_memory;
    use crate::parquet::sorted::Keep;
    use market::{Body, Change, Epoch, RowKey, Symbols, TableSpec, Time, Width};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    /// As many rows as two groups hold and one more.
    fn rows() -> market::Rows {
        let symbols = Symbols::default();
        let symbol = symbols.intern(b"A").unwrap();
        let key = |at: i64| {
            let (width, ts_open) = (Width::SESSION, Time::from_ns(at));
            RowKey { epoch: 0, ts_open, symbol, width, seq: 0, revision: 0, change: Change::Added }
        };
        let count = 2 * GROUP_ROWS + 1;
        let keys: Vec<RowKey> = (0..count as i64).map(key).collect();
        let values = (0..count).map(|at| at as f64).collect();
        let table = Arc::new(TableSpec::floats("factors", &["x".to_owned()]));
        let body = Body::Floats { stride: 1, values };
        market::Rows { table, known_at: vec![Time::from_ns(0); count], keys, body, symbols }
    }

    #[test]
    fn a_file_that_fails_is_told_and_leaves_nobody_waiting() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut names, rows) = (crate::names::Names::default(), rows());
        names.learn(&rows.symbols);
        let mut buffer = Buffer::new(&rows.table);
        buffer.push(&rows, 0..rows.len(), &names);
        let path = |name: &str| folder.path().join(name);
        let whole = |name| from_memory(path(name), &buffer, &names, Epoch::MAX, Keep::Valid);
        let broken = Job::new(path("b"), Box::new(|| Err(ParquetError::General("b".to_owned()))));
        let jobs = [whole("a"), broken, whole("c")];
        assert!(write_all(&jobs).unwrap_err().to_string().contains('b'));
        assert!(!path("b").exists());
        let jobs = [whole("a"), whole("c")];
        write_all(&jobs).unwrap();
        let (a, c) = (std::fs::read(path("a")).unwrap(), std::fs::read(path("c")).unwrap());
        assert!(a == c, "which thread encoded a group must not show");
        let read = crate::parquet::file::read(&path("a"), BATCH_ROWS).unwrap();
        let read: usize = read.map(|batch| batch.unwrap().num_rows()).sum();
        assert_eq!(read, rows.len());
    }

    #[test]
    fn no_row_group_is_empty() {
        let folder = tempfile::TempDir::new().unwrap();
        let (mut names, rows) = (crate::names::Names::default(), rows());
        names.learn(&rows.symbols);
        let cases = [(0, 0), (1, 1), (GROUP_ROWS, 1), (GROUP_ROWS + 1, 2), (2 * GROUP_ROWS, 2)];
        for (count, groups) in cases {
            let mut buffer = Buffer::new(&rows.table);
            buffer.push(&rows, 0..count, &names);
            let path = folder.path().join(count.to_string());
            let job = from_memory(path.clone(), &buffer, &names, Epoch::MAX, Keep::Valid);
            write_all(&[job]).unwrap();
            let file = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
            assert_eq!(file.metadata().num_row_groups(), groups, "{count} rows");
        }
    }
}
