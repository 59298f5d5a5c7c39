//! A bust on a consolidated tape, step by step: what came, what the tables said before and after, what was known between,
//! and that they end as those of a clean run. `cargo run --release --example trade_bust [-- FOLDER]`

mod story;

use std::io::Write;
use std::path::PathBuf;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or("target/trade_bust".into(), PathBuf::from);
    let mut out = std::io::stdout().lock();
    story::tell(&folder, &mut out)?;
    Ok(out.flush()?)
}
