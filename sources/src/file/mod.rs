//! Files as partitions: CSV (plain, gzip, zstd) and Parquet, decoded ahead on a pool of threads and
//! delivered in log order.

pub(crate) mod block;
#[cfg(test)]
mod corrections_tests;
pub(crate) mod csv;
pub(crate) mod desk;
mod exact;
mod feed;
pub(crate) mod guard;
mod identity;
mod open;
mod optional;
mod order;
pub(crate) mod parquet;
mod paths;
mod pool;
mod preview;
mod ranges;
pub(crate) mod raw;
mod sort;
mod spill;
pub(crate) mod symbols;
#[cfg(test)]
mod tests;

use crate::Feed;
use crate::layout::{Layout, LayoutError, LayoutOptions};
use feed::FileFeed;
pub use guard::panic_is_guarded;
pub use identity::FileIdentity;
use market::{PartitionError, Symbols};
use order::OrderCheck;
use pool::Pool;
pub use preview::{Previewed, decode_csv, preview};
use sort::SortedFeed;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the order of a file's records means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileOrder {
    /// By time but for stragglers: more than 1% later than the lateness allows stop the run.
    #[default]
    Time,
    /// A recorded order of arrival, whatever it is.
    Log,
    /// None: sorted by time before it becomes a log.
    Any,
}

/// What several files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilePartition {
    /// One log when their time ranges follow one another, else a partition each.
    #[default]
    Auto,
    /// A partition each.
    File,
    /// One log; refused unless their time ranges follow one another.
    Sequence,
}

/// Files to read, as given.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// Files and patterns.
    pub paths: Vec<String>,
    /// How they are laid out.
    pub layout: LayoutOptions,
    /// What the order of their records means.
    pub order: FileOrder,
    /// What several files are.
    pub partition: FilePartition,
    /// Decoder threads, shared by all partitions.
    pub threads: usize,
    /// How far behind the greatest time a record in order may lie.
    pub lateness_ns: i64,
}

/// Why files were refused before any record was read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The layout does not parse.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// No path was given.
    #[error("no input file was given: wanted files or patterns, as data/*.csv")]
    Nothing,
    /// A folder where a file was wanted.
    #[error("\"{given}\" is a folder: wanted files or a pattern, as {given}/*.csv")]
    Folder {
        /// The path.
        given: String,
    },
    /// Neither a file nor a folder.
    #[error("\"{given}\" is a pipe or a device: wanted a file that can be read at any place")]
    Special {
        /// The path.
        given: String,
    },
    /// A file that is not there or cannot be read.
    #[error("cannot open \"{given}\": {source}")]
    Open {
        /// The path.
        given: String,
        /// Why.
        source: std::io::Error,
    },
    /// A pattern that is wrong or that nothing matches.
    #[error("pattern \"{given}\": {what}")]
    Pattern {
        /// The pattern.
        given: String,
        /// What is wrong.
        what: String,
    },
    /// A file that was named twice.
    #[error("\"{}\" is named twice: its records would count twice", path.display())]
    Twice {
        /// The path.
        path: PathBuf,
    },
    /// More files than a run may read.
    #[error("{count} files: a run reads at most {most}")]
    Many {
        /// Files that were named.
        count: usize,
        /// Files that are allowed.
        most: usize,
    },
    /// Files that are no sequence.
    #[error(
        "--partition sequence: \"{}\" begins at {begins}, before \"{}\" ends at {ends}",
        second.display(), first.display()
    )]
    Overlap {
        /// The file that comes first.
        first: PathBuf,
        /// Its last time.
        ends: market::Time,
        /// The file that follows.
        second: PathBuf,
        /// Its first time.
        begins: market::Time,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    Read(#[from] PartitionError),
    /// No decoder thread can be started.
    #[error("no decoder thread can be started: {0}")]
    Threads(std::io::Error),
}

/// One partition of a run, before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePartitionInfo {
    /// Its files, in the order of the log.
    pub files: Vec<PathBuf>,
    /// Their bytes together.
    pub bytes: u64,
}

/// Opens one partition's feed, on the thread that will poll it.
pub type FeedOpener = Box<dyn FnOnce() -> Result<Box<dyn Feed>, PartitionError> + Send>;

/// Checked files: which partitions they are is known, none is open.
#[derive(Clone, Debug)]
pub struct Files {
    layout: Layout,
    order: FileOrder,
    threads: usize,
    lateness_ns: i64,
    partitions: Vec<FilePartitionInfo>,
    filtered: Arc<AtomicU64>,
}

impl FileSource {
    /// Checks the layout, finds the files and says which partitions they are.
    ///
    /// # Errors
    /// Says what was given and what was wanted.
    pub fn check(self) -> Result<Files, FileError> {
        let layout = Layout::new(&self.layout)?;
        if self.paths.is_empty() {
            return Err(FileError::Nothing);
        }
        let found = paths::expand(&self.paths)?;
        let logs = match self.partition {
            FilePartition::File => each(found),
            // They are sorted as one.
            FilePartition::Sequence if self.order == FileOrder::Any => vec![found],
            mode => ranges::logs(found, &layout, self.lateness_ns, mode)?,
        };
        let info = |files: Vec<PathBuf>| {
            let length = |path: &PathBuf| std::fs::metadata(path).map_or(0, |found| found.len());
            FilePartitionInfo { bytes: files.iter().map(length).sum(), files }
        };
        Ok(Files {
            layout,
            order: self.order,
            threads: self.threads,
            lateness_ns: self.lateness_ns,
            partitions: logs.into_iter().map(info).collect(),
            filtered: Arc::default(),
        })
    }
}

impl Files {
    /// The partitions, in order.
    pub fn partitions(&self) -> &[FilePartitionInfo] {
        &self.partitions
    }

    /// Rows that `--where` dropped so far: they are no records and count nowhere else.
    pub fn filtered(&self) -> u64 {
        self.filtered.load(Ordering::Relaxed)
    }

    /// Starts the decoder threads and returns what opens each partition.
    ///
    /// # Errors
    /// Fails when no thread can be started.
    pub fn open(&self, symbols: &Symbols) -> Result<Vec<FeedOpener>, FileError> {
        let pool = Pool::new(self.threads, symbols).map_err(FileError::Threads)?;
        Ok(self.partitions.iter().map(|info| self.opener(info, &pool, symbols)).collect())
    }

    /// What tells the inputs from others: for the fingerprint of a store.
    ///
    /// # Errors
    /// Fails when a file cannot be read.
    pub fn identity(&self) -> Result<Vec<FileIdentity>, FileError> {
        let files = self.partitions.iter().flat_map(|info| &info.files);
        files.map(|path| Ok(FileIdentity::of(path)?)).collect()
    }

    fn opener(&self, info: &FilePartitionInfo, pool: &Arc<Pool>, symbols: &Symbols) -> FeedOpener {
        let (info, pool, layout) = (info.clone(), pool.clone(), self.layout.clone());
        let order = (self.order == FileOrder::Time).then(|| OrderCheck::new(self.lateness_ns));
        let filtered = self.filtered.clone();
        let sorts = self.order == FileOrder::Any;
        let rows_max = sort::ROWS_MAX / self.partitions.len().max(1);
        let symbols = symbols.clone();
        Box::new(move || {
            let open_file: feed::OpenFile =
                Box::new(move |path, bell| open::open(path, &layout, bell));
            let feed = FileFeed::new(pool, info.files, open_file, order, filtered, info.bytes)?;
            match sorts {
                true => Ok(Box::new(SortedFeed::start(feed, rows_max, &symbols)?)),
                false => Ok(Box::new(feed)),
            }
        })
    }
}

/// Every file a log of its own.
fn each(files: Vec<PathBuf>) -> Vec<Vec<PathBuf>> {
    files.into_iter().map(|path| vec![path]).collect()
}

/// An error of a file, naming it.
fn fail(path: &Path, what: &str) -> PartitionError {
    PartitionError { what: format!("{}: {what}", path.display()), usage: false }
}
