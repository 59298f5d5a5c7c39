//! A simulated session in a file says what the session itself says: through every format, with its corrections.

use market::{Symbols, Trades};
use sources::{
    Columns, Fed, Feed, FileOrder, FilePartition, FileSource, LayoutOptions, SimulatedFeed,
    Simulation, WriteError, write_session,
};
use std::sync::Arc;

fn corrected() -> Simulation {
    let clean = Simulation::new(20, 30_000, 3).late(0.02);
    Simulation { duplicate: 0.01, cancel: 0.01, replace: 0.02, venues: 3, ..clean }
}

fn drain(mut feed: Box<dyn Feed>, symbols: &Symbols) -> Trades {
    let (mut all, blank) = (Trades::default(), symbols.intern(b"-").expect("a venue"));
    let thread = std::thread::current();
    feed.wake_by(Arc::new(move || thread.unpark()));
    loop {
        match feed.poll().expect("a whole log") {
            Fed::Batch(batch) => {
                assert!(batch.undecoded.is_empty(), "{:?}", batch.undecoded[0]);
                (0..batch.trades.len()).for_each(|row| all.push(&batch.trades.row(row), blank));
            }
            Fed::Pending => std::thread::park(),
            Fed::End => return all,
        }
    }
}

#[test]
fn every_format_says_what_the_session_says() {
    let symbols = Symbols::default();
    let feed = SimulatedFeed::new(&corrected(), &symbols, 0, 1).expect("a session");
    let wanted = drain(Box::new(feed), &symbols);
    assert_eq!(wanted.trans.len(), wanted.len());
    let folder = std::env::temp_dir().join(format!("tidemill-simulated-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["a.csv", "a.csv.gz", "a.csv.zst", "a.parquet"] {
        let path = folder.join(name);
        let written = write_session(&corrected(), &path, Columns::All, &mut |_| {}).expect(name);
        let corrections = wanted.trans.iter().filter(|trans| **trans as u8 != 0).count();
        assert_eq!(written.corrections, corrections as u64);
        let source = FileSource {
            paths: vec![path.to_str().expect("text").to_owned()],
            layout: LayoutOptions::default(),
            order: FileOrder::Time,
            partition: FilePartition::Auto,
            threads: 2,
            lateness_ns: 2_000_000_000,
        };
        let open = source.check().expect(name).open(&symbols).expect("threads").remove(0);
        assert_eq!(drain(open().expect(name), &symbols), wanted, "{name}");
    }
    let path = folder.join("b.csv");
    let refused = write_session(&corrected(), &path, Columns::Required, &mut |_| {});
    assert!(matches!(refused, Err(WriteError::Corrections)) && !path.exists());
    std::fs::remove_dir_all(folder).expect("the folder goes");
}
