//! Folders that are written to: one that cannot be made, because a file stands in its place, is told before anything
//! begins.

use super::tree::{ConfigError, Tree};
use std::path::Path;

/// Refuses the value of `key` where something in `path` is no folder.
pub(super) fn folder(tree: &Tree, key: &str, path: &Path) -> Result<(), ConfigError> {
    match path.ancestors().find(|at| at.exists() && !at.is_dir()) {
        None => Ok(()),
        Some(file) => {
            let rule = format!("a folder is wanted, and {} is a file", file.display());
            Err(tree.error_from(key, rule))
        }
    }
}
