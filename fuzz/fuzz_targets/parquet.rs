//! Any bytes as a Parquet file, and a small valid file with a few bytes changed or its end cut off:
//! the preview and the feed end with records, dead letters or an error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use market::Symbols;
use sources::{
    Columns, Fed, FileOrder, FilePartition, FileSource, LayoutOptions, Simulation, Ticks,
    panic_is_guarded, preview, write_parquet,
};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

/// Polls of one file; each gives a batch or waits for a decoder.
const POLLS_MAX: u32 = 10_000;

static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let ticks = Ticks::new(&Simulation::new(3, 50, 1), 0, 1).expect("a valid simulation");
    let mut bytes = Vec::new();
    write_parquet(ticks, &mut bytes, Columns::All, &mut |_| ()).expect("memory takes a file");
    bytes
});

static PATH: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("tidemill-fuzz-{}.parquet", std::process::id()))
});

/// An even first byte: the rest as it is. An odd one: the valid file, each three bytes that follow
/// a place (from its end, where the metadata are) and what is put there; the second byte cuts.
fn file(data: &[u8]) -> Vec<u8> {
    match data {
        [first, cut, edits @ ..] if first & 1 == 1 => {
            let mut bytes = VALID.clone();
            for edit in edits.chunks_exact(3) {
                let place = usize::from(u16::from_le_bytes([edit[0], edit[1]])) % bytes.len();
                let place = bytes.len() - 1 - place;
                bytes[place] ^= edit[2];
            }
            if first & 2 == 2 {
                bytes.truncate(bytes.len() * usize::from(*cut) / 256);
            }
            bytes
        }
        [_, bytes @ ..] => bytes.to_vec(),
        [] => Vec::new(),
    }
}

fn poll_to_the_end(path: String, order: FileOrder) {
    let source = FileSource {
        paths: vec![path],
        layout: LayoutOptions::default(),
        order,
        partition: FilePartition::Auto,
        threads: 1,
        lateness_ns: 0,
    };
    let symbols = Symbols::default();
    let Ok(files) = source.check() else { return };
    for open in files.open(&symbols).expect("a thread can be started") {
        let Ok(mut feed) = open() else { continue };
        let thread = std::thread::current();
        feed.wake_by(Arc::new(move || thread.unpark()));
        for poll in 0.. {
            assert!(poll < POLLS_MAX, "the feed does not end");
            match feed.poll() {
                Ok(Fed::Batch(batch)) => feed.recycle(batch),
                Ok(Fed::Pending) => std::thread::park(),
                Ok(Fed::End) | Err(_) => break,
            }
        }
    }
}

/// The library's own panics on corrupt bytes are caught and told: only ours are found.
fn pass_over_guarded_panics() {
    let found = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !panic_is_guarded() {
            found(info);
        }
    }));
}

fuzz_target!(init: pass_over_guarded_panics(), |data: &[u8]| {
    std::fs::write(&*PATH, file(data)).expect("the temporary folder takes a file");
    let path = PATH.display().to_string();
    let _ = preview(&path, &LayoutOptions::default(), 20);
    let order = if data.first().is_some_and(|first| first & 4 == 4) {
        FileOrder::Any
    } else {
        FileOrder::Time
    };
    poll_to_the_end(path, order);
});
