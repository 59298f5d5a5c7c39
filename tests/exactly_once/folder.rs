//! A folder that goes with its trial, unless the trial failed: then it tells where it is.

use std::path::Path;

pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("kept: {}", self.path().display());
            self.0.disable_cleanup(true);
        }
    }
}
