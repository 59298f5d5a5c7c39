//! The keys that say where the fields of a trade are, checked as the sources parse them.

use super::tree::{ConfigError, Tree};
use sources::{Layout, LayoutNames, LayoutOptions};

/// Checks columns and condition of the keys at `path`; what these are called in errors that only the records bring
/// up, as a column that a file lacks.
pub(super) fn layout(
    tree: &Tree,
    path: &dyn Fn(&str) -> String,
    (columns, filter): (&Option<String>, &Option<String>),
) -> Result<LayoutNames, ConfigError> {
    let check = |key: &str, options: LayoutOptions| {
        let checked = Layout::new(&options).map(drop);
        checked.map_err(|error| tree.error_from(&path(key), error.rule()))
    };
    check("columns", LayoutOptions { columns: columns.clone(), ..LayoutOptions::default() })?;
    check("where", LayoutOptions { filter: filter.clone(), ..LayoutOptions::default() })?;
    let [columns, filter, tape] =
        ["columns", "where", "conditions"].map(|key| tree.place(&path(key)));
    Ok(LayoutNames { columns, filter, tape })
}
