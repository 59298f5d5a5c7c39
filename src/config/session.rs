//! The keys of a simulated session, checked.

use super::SimulatorConfig;
use super::check::{duration, share, within};
use super::raw;
use super::tree::{ConfigError, Tree};
use market::Time;

/// Checks them.
pub(super) fn simulator(
    tree: &Tree,
    raw: &raw::Simulator,
    path: &dyn Fn(&str) -> String,
) -> Result<SimulatorConfig, ConfigError> {
    let at = |key: &str| path(&format!("simulator.{key}"));
    if raw.cancel + raw.replace > 1.0 {
        return Err(tree.error(&at("cancel"), "with replace, a share of at most 1 is wanted"));
    }
    Ok(SimulatorConfig {
        symbols: within(tree, &at("symbols"), raw.symbols, 1, 100_000)? as u32,
        trades: within(tree, &at("trades"), raw.trades, 1, 10_000_000_000)? as u64,
        seed: within(tree, &at("seed"), raw.seed, 0, i64::MAX)? as u64,
        start: Time::parse(&raw.start).map_err(|_| {
            tree.error(&at("start"), "a time in RFC 3339 is wanted, as 2024-01-02T14:30:00Z")
        })?,
        session_ns: duration(tree, &at("session"), &raw.session, 60 * Time::SECOND, 7 * Time::DAY)?,
        late: share(tree, &at("late"), raw.late)?,
        duplicate: share(tree, &at("duplicate"), raw.duplicate)?,
        bad: share(tree, &at("bad"), raw.bad)?,
        cancel: share(tree, &at("cancel"), raw.cancel)?,
        replace: share(tree, &at("replace"), raw.replace)?,
        partitions: within(tree, &at("partitions"), raw.partitions, 1, 1024)? as u32,
    })
}
