//! The keys of a source's history, checked.

use super::check::{character, choice};
use super::layout::layout;
use super::raw;
use super::tree::{ConfigError, Tree};
use super::{FilesConfig, Order, PartitionMode};
use sources::{LayoutNames, Tape};

/// The files that are read before the topics, if any are.
pub(super) fn history_of(
    tree: &Tree,
    history: &raw::History,
    tape: Option<Tape>,
    path: &dyn Fn(&str) -> String,
) -> Result<Option<FilesConfig>, ConfigError> {
    let at = |key: &str| path(&format!("history.{key}"));
    if let Some(index) = history.files.iter().position(String::is_empty) {
        return Err(tree.error(&at(&format!("files[{index}]")), "the name of a file is wanted"));
    }
    if history.store.is_some() && !history.files.is_empty() {
        return Err(tree.error(&at("store"), "files or a store, not both"));
    }
    let comment = history.comment.as_deref();
    let checked = FilesConfig {
        files: history.files.clone(),
        columns: history.columns.clone(),
        filter: history.r#where.clone(),
        // Its trades go on into those of the topics, and count by the same rules.
        tape,
        header: history.header,
        delimiter: character(tree, &at("delimiter"), &history.delimiter)?,
        comment: comment.map(|text| character(tree, &at("comment"), text)).transpose()?,
        order: choice(tree, &at("order"), &history.order, Order::WORDS)?,
        // What goes on behind it goes on behind one log.
        partition: Some(PartitionMode::Sequence),
        names: LayoutNames {
            tape: tree.place(&path("conditions")),
            ..layout(tree, &at, (&history.columns, &history.r#where))?
        },
    };
    Ok((!checked.files.is_empty()).then_some(checked))
}
