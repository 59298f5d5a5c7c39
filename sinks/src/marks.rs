//! How far a sink of plain files came: one small JSON file a sink, replaced whole.
//!
//! A crash leaves the old file or the new one. A mark of another lineage is no mark.

use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The state file of one sink.
pub(crate) struct Marks {
    path: PathBuf,
    lineage: String,
}

impl Marks {
    /// The state of the sink `name` of the store at `folder`.
    pub(crate) fn new(folder: &Path, name: &str, lineage: &str) -> Self {
        let path = folder.join(crate::store::MARKS_FOLDER).join(format!("{name}.json"));
        Marks { path, lineage: lineage.to_owned() }
    }

    /// What was saved last for this lineage.
    pub(crate) fn load(&self) -> io::Result<Option<Map<String, Value>>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read?,
        };
        let damaged = || {
            let what = format!("{}: not a file of marks", self.path.display());
            io::Error::new(io::ErrorKind::InvalidData, what)
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let Value::Object(state) = value else { return Err(damaged()) };
        let is_ours = state.get("lineage").and_then(Value::as_str) == Some(&self.lineage);
        Ok(is_ours.then_some(state))
    }

    /// Replaces what was saved.
    pub(crate) fn save(&self, mut state: Map<String, Value>) -> io::Result<()> {
        state.insert("lineage".to_owned(), Value::from(self.lineage.as_str()));
        write_aside(&self.path, format!("{}\n", Value::Object(state)).as_bytes())
    }
}

/// Writes a file under another name, makes it durable and gives it its own: all of it or nothing.
pub(crate) fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let aside = aside(path);
    let mut file = File::create(&aside)?;
    file.write_all(bytes)?;
    put_in_place(&file, &aside, path)
}

/// The name a file is written under before it is whole.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    path.with_file_name(name)
}

/// Makes a file that was written aside durable and gives it its name.
pub(crate) fn put_in_place(file: &File, aside: &Path, path: &Path) -> io::Result<()> {
    file.sync_data()?;
    fs::rename(aside, path)?;
    match path.parent() {
        // The name is durable once its folder is.
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
