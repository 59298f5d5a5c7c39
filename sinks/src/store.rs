//! A store: one folder with what one configuration made of one input.
//!
//! The first run records its identity and when it started; a later one of the same identity goes on
//! where the sinks' marks are, another is refused. One run at a time: the lock ends with its process.

use crate::batch::failed;
use crate::jsonl::JsonlSink;
use crate::letters::{LetterLimits, LetterSink};
use crate::marks::write_aside;
use crate::parquet::{ParquetOptions, ParquetSink};
use crate::sql::SqliteSink;
use market::{SinkError, TableSpec, Time};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The tables.
pub(crate) const SQLITE_FILE: &str = "tidemill.sqlite";
/// What the store is of.
pub(crate) const STORE_FILE: &str = "store.json";
/// How far the sinks of plain files came.
pub(crate) const MARKS_FOLDER: &str = "marks";
/// Lines by table.
pub(crate) const JSONL_FOLDER: &str = "jsonl";
/// Columns by table and date.
pub(crate) const PARQUET_FOLDER: &str = "parquet";
const LOCK_FILE: &str = "store.lock";
/// The shape of a store folder; another one is refused.
const FORMAT: i64 = 1;

/// What the results depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A hash of all of it: the lineage.
    pub fingerprint: String,
    /// Its parts by name, so that a refusal can say which one differs: settings and inputs.
    pub parts: Vec<(String, String)>,
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Made by another configuration or of other inputs.
    #[error(
        "{folder}: this store was made with {what}; give --replace to begin it anew, or another folder with --data"
    )]
    Other {
        /// The store.
        folder: PathBuf,
        /// The first part that differs: what it was, and what it is now.
        what: String,
    },
    /// No store, yet there are files of the names that a store has.
    #[error(
        "{folder}: holds {name} but no store.json, so it is no store; name another folder with --data"
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        name: String,
    },
    /// Another run has it.
    #[error("{0}: another run is writing to this store")]
    Locked(PathBuf),
    /// Not a store of this version.
    #[error(
        "{0}: store.json is not of this version's format {FORMAT}; give --replace to begin anew"
    )]
    Format(PathBuf),
    /// The folder cannot be used.
    #[error("{folder}: {source}")]
    Io {
        /// The store.
        folder: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the caller asked for something that cannot be, rather than for what may be later: a store that
    /// another run has is free when that one has ended.
    pub fn is_usage(&self) -> bool {
        !matches!(self, StoreError::Io { .. } | StoreError::Locked(_))
    }
}

/// An open store; the lock is held as long as this lives.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    fingerprint: String,
    started_at: Time,
    is_new: bool,
    _lock: File,
}

impl Store {
    /// Opens or makes the store at `folder`. `now` is recorded as the start when it is new; `replace`
    /// begins it anew when it is of something else, removing the store's own files and nothing more.
    /// Without a `store.json` nothing is removed, for the files could be anybody's.
    ///
    /// # Errors
    /// Refuses a store of another identity, one that another run has, and a folder that cannot be used.
    pub fn open(
        folder: &Path,
        identity: &Identity,
        replace: bool,
        now: Time,
    ) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = lock(folder)?;
        match read(folder) {
            Ok(Some(known)) if known.removing => remove_own(folder).map_err(io)?,
            Ok(Some(known)) if known.fingerprint == identity.fingerprint => {
                let (fingerprint, started_at) = (known.fingerprint, known.started_at);
                let folder = folder.to_owned();
                return Ok(Store { folder, fingerprint, started_at, is_new: false, _lock: lock });
            }
            Ok(Some(_)) | Err(StoreError::Format(_)) if replace => {
                remove_own(folder).map_err(io)?;
            }
            Ok(Some(known)) => {
                let (folder, what) = (folder.to_owned(), difference(&known.parts, &identity.parts));
                return Err(StoreError::Other { folder, what });
            }
            Ok(None) => refuse_foreign(folder)?,
            Err(error) => return Err(error),
        }
        write(folder, identity, now).map_err(io)?;
        let fingerprint = identity.fingerprint.clone();
        let folder = folder.to_owned();
        Ok(Store { folder, fingerprint, started_at: now, is_new: true, _lock: lock })
    }

    /// Whether no run has the store at `folder`, if there is one.
    ///
    /// # Errors
    /// Fails when one has it, and when the folder cannot be used.
    pub fn is_free(folder: &Path) -> Result<(), StoreError> {
        match folder.join(LOCK_FILE).exists() {
            true => lock(folder).map(drop),
            false => Ok(()),
        }
    }

    /// What the store at `folder` is of; nothing where there is none, or what there is is being removed.
    ///
    /// # Errors
    /// Refuses a store of another version, and files of the names that a store has where there is none.
    pub fn identity_at(folder: &Path) -> Result<Option<Identity>, StoreError> {
        match read(folder)? {
            Some(known) if known.removing => Ok(None),
            Some(Known { fingerprint, parts, .. }) => Ok(Some(Identity { fingerprint, parts })),
            None if folder.is_dir() => refuse_foreign(folder).map(|()| None),
            None => Ok(None),
        }
    }

    /// Whether there is a store at `folder`.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(STORE_FILE).is_file()
    }

    /// Gives the store up: removes its own files, so that the next run may be one of anything else.
    ///
    /// # Errors
    /// Fails when they cannot be removed.
    pub fn discard(self) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { folder: self.folder.clone(), source };
        remove_own(&self.folder).map_err(io)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the rows are a function of: the lineage.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// When the first run into this store started.
    pub fn started_at(&self) -> Time {
        self.started_at
    }

    /// Whether this run is the first.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The tables in SQLite; they exist from now on.
    ///
    /// # Errors
    /// As [`SqliteSink::open`].
    pub fn sqlite(&self, tables: &[TableSpec]) -> Result<SqliteSink, SinkError> {
        SqliteSink::open(&self.folder.join(SQLITE_FILE), &self.fingerprint, tables)
    }

    /// The tables as Parquet files by date.
    ///
    /// # Errors
    /// As [`ParquetSink::open`].
    pub fn parquet(&self, options: ParquetOptions) -> Result<ParquetSink, SinkError> {
        ParquetSink::open(&self.folder, &self.fingerprint, options)
    }

    /// The tables as JSON lines.
    ///
    /// # Errors
    /// As [`JsonlSink::open`].
    pub fn jsonl(&self) -> Result<JsonlSink, SinkError> {
        JsonlSink::open(&self.folder, &self.fingerprint)
    }

    /// The file of refused records.
    ///
    /// # Errors
    /// As [`LetterSink::open`].
    pub fn letters(&self, limits: LetterLimits) -> Result<LetterSink, SinkError> {
        LetterSink::open(&self.folder, &self.fingerprint, limits)
    }

    /// Writes a file of the store's own, as a report, whole or not at all.
    ///
    /// # Errors
    /// Fails when the folder cannot be written.
    pub fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), SinkError> {
        let path = self.folder.join(name);
        write_aside(&path, bytes).map_err(failed(path.display()))
    }
}

/// What `store.json` says.
struct Known {
    /// The store is being removed to begin anew.
    removing: bool,
    fingerprint: String,
    started_at: Time,
    parts: Vec<(String, String)>,
}

fn lock(folder: &Path) -> Result<File, StoreError> {
    let io = |source| StoreError::Io { folder: folder.to_owned(), source };
    let file =
        File::options().create(true).truncate(false).write(true).open(folder.join(LOCK_FILE));
    let file = file.map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.to_owned())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn read(folder: &Path) -> Result<Option<Known>, StoreError> {
    let bytes = match fs::read(folder.join(STORE_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::Io { folder: folder.to_owned(), source }),
        Ok(bytes) => bytes,
    };
    parse(&bytes).map(Some).ok_or_else(|| StoreError::Format(folder.to_owned()))
}

fn parse(bytes: &[u8]) -> Option<Known> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    if value.get("format")?.as_i64()? != FORMAT {
        return None;
    }
    let part =
        |part: &Value| Some((part.get(0)?.as_str()?.to_owned(), part.get(1)?.as_str()?.to_owned()));
    Some(Known {
        removing: value.get("removing").is_some(),
        fingerprint: value.get("fingerprint")?.as_str()?.to_owned(),
        started_at: Time::from_ns(value.get("started_at_ns")?.as_i64()?),
        parts: value.get("parts")?.as_array()?.iter().map(part).collect::<Option<_>>()?,
    })
}

fn write(folder: &Path, identity: &Identity, now: Time) -> io::Result<()> {
    let mut state = Map::new();
    state.insert("format".to_owned(), Value::from(FORMAT));
    state.insert("fingerprint".to_owned(), Value::from(identity.fingerprint.as_str()));
    state.insert("started_at".to_owned(), Value::from(now.to_string()));
    state.insert("started_at_ns".to_owned(), Value::from(now.ns()));
    let part = |(name, value): &(String, String)| Value::from(vec![name.as_str(), value.as_str()]);
    state.insert("parts".to_owned(), identity.parts.iter().map(part).collect());
    let text = serde_json::to_string_pretty(&Value::Object(state))?;
    write_aside(&folder.join(STORE_FILE), format!("{text}\n").as_bytes())
}

/// The first part that is not the same, in words. Several parts may have one name, as those of sources.
pub fn difference(known: &[(String, String)], given: &[(String, String)]) -> String {
    let (all_known, all_given): (HashSet<_>, HashSet<_>) =
        (known.iter().collect(), given.iter().collect());
    let mut new = given.iter().filter(|part| !all_known.contains(part));
    match known.iter().find(|part| !all_given.contains(part)) {
        Some((name, was)) => match new.find(|part| part.0 == *name) {
            Some((_, is)) => format!("{name} = {was}, not {is}"),
            None => format!("{name} = {was}, which is not there now"),
        },
        None => match new.next() {
            Some((name, is)) => format!("no {name}, which is {is} now"),
            None => "another configuration".to_owned(),
        },
    }
}

/// What a store owns besides `store.json` and the lock.
fn own_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        [PARQUET_FOLDER, JSONL_FOLDER, MARKS_FOLDER].into_iter().map(str::to_owned).collect();
    names.extend(["", "-wal", "-shm", "-journal"].map(|suffix| format!("{SQLITE_FILE}{suffix}")));
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == "dead_letters.jsonl" || name.starts_with("dead_letters.jsonl.") {
            names.push(name);
        }
    }
    names.retain(|name| folder.join(name).exists());
    Ok(names)
}

/// Nothing is removed that no store made.
fn refuse_foreign(folder: &Path) -> Result<(), StoreError> {
    let names = own_names(folder);
    match names.map_err(|source| StoreError::Io { folder: folder.to_owned(), source })?.pop() {
        Some(name) => Err(StoreError::Foreign { folder: folder.to_owned(), name }),
        None => Ok(()),
    }
}

/// Removes the store's own files. `store.json` says so first, so that the next run goes on with it.
fn remove_own(folder: &Path) -> io::Result<()> {
    let state = serde_json::json!({
        "format": FORMAT, "removing": true, "fingerprint": "", "started_at_ns": 0, "parts": [],
    });
    write_aside(&folder.join(STORE_FILE), format!("{state}\n").as_bytes())?;
    for name in own_names(folder)? {
        let path = folder.join(name);
        if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
    }
    Ok(())
}
