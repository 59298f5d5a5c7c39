//! Files that are not what they should be: each ends with its exit code and its counts, none in a panic.

use super::{Done, Folder, counts_add_up};

/// What is wrong, the file's text, the exit code, and what was read and used.
type Case = (&'static str, String, i32, Option<(u64, u64)>);

const HEADER: &str = "ts_event,symbol,price,size\n";
const GOOD: &str = "1704205800000000000,A,1,1\n";

impl Folder {
    fn bytes(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    /// Replays a file into a store of its own.
    fn replay(&self, name: &str, store: &str) -> Done {
        self.run(&["replay", name, "--json", "--widths", "1min", "--data", store])
    }
}

/// The exit code, and `read` and `used` of the summary where one is wanted.
#[track_caller]
fn ends(done: Done, what: &str, code: i32, counts: Option<(u64, u64)>) {
    let error = done.err();
    assert!(!error.contains("panicked") && !error.contains("fault of"), "{what}: {error}");
    assert_eq!(done.0.status.code(), Some(code), "{what}: {} {error}", done.out());
    assert_eq!(done.out().is_empty(), counts.is_none(), "{what}: {}", done.out());
    match counts {
        Some((read, used)) => {
            let summary = done.json();
            counts_add_up(&summary);
            assert_eq!(
                (&summary["read"], &summary["used"]),
                (&read.into(), &used.into()),
                "{what}"
            );
        }
        None => assert!(error.starts_with("tidemill: ") && error.contains(what), "{what}: {error}"),
    }
}

/// Bytes without a pattern, the same on every run.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..count).map(next).collect()
}

#[test]
fn texts_that_are_wrong_end_with_their_counts() {
    let folder = Folder::new();
    let types = "x,A,1,1\n1,A,abc,1\n1,A,1,zz\n1,,1,1\n1,A,1\n1,A,1,1,9\n";
    let numbers = "1,A,-1,1\n1,A,0,1\n1,A,1,-5\n1,A,1e300,1\n1,A,1,99999999999999999999999\n\
                   1,A,nan,1\n1,A,inf,1\n";
    let cases: &[Case] = &[
        ("empty.csv", String::new(), 3, Some((0, 0))),
        ("header.csv", HEADER.to_owned(), 3, Some((0, 0))),
        ("headless.csv", GOOD.to_owned(), 2, None),
        ("twice.csv", format!("ts_event,symbol,price,price,size\n{GOOD}"), 2, None),
        ("types.csv", format!("{HEADER}{types}"), 3, Some((6, 0))),
        ("numbers.csv", format!("{HEADER}{numbers}{GOOD}"), 0, Some((8, 1))),
        ("least.csv", format!("{HEADER}{},A,1,1\n{GOOD}", i64::MIN), 0, Some((2, 1))),
        ("greatest.csv", format!("{HEADER}{},A,1,1\n{GOOD}", i64::MAX), 0, Some((2, 1))),
        ("beyond.csv", format!("{HEADER}9223372036854775808,A,1,1\n{GOOD}"), 0, Some((2, 1))),
    ];
    for (name, text, code, counts) in cases {
        folder.file(name, text);
        ends(folder.replay(name, &format!("of-{name}")), name, *code, *counts);
    }
    let letters = [HEADER.as_bytes(), b"1,\xff\xfe,1,1\n", GOOD.as_bytes()].concat();
    folder.bytes("letters.csv", &letters);
    ends(folder.replay("letters.csv", "letters"), "letters.csv", 0, Some((2, 1)));
    std::fs::create_dir(folder.0.join("folder.csv")).unwrap();
    ends(folder.replay("folder.csv", "folder"), "folder.csv", 2, None);
}

#[test]
fn noise_under_any_name_is_refused() {
    let folder = Folder::new();
    for (name, code) in [("n.csv", 2), ("n.csv.gz", 1), ("n.csv.zst", 1), ("n.parquet", 1)] {
        folder.bytes(name, &noise(9_000));
        ends(folder.replay(name, &format!("of-{name}")), name, code, None);
    }
}

#[test]
fn a_file_that_was_cut_off_says_so() {
    let folder = Folder::new();
    for name in ["cut.csv.gz", "cut.csv.zst", "cut.parquet"] {
        folder.run(&["simulate", "--out", name, "--trades", "2000"]).exits(0);
        let whole = std::fs::read(folder.0.join(name)).unwrap();
        folder.bytes(name, &whole[..whole.len() * 2 / 3]);
        ends(folder.replay(name, &format!("of-{name}")), name, 1, None);
    }
}

/// The lowest bit of a whole number of the footer is its sign.
#[test]
fn a_corrupt_footer_names_the_file_and_the_place() {
    let folder = Folder::new();
    folder.run(&["simulate", "--out", "s.parquet", "--trades", "100"]).exits(0);
    let whole = std::fs::read(folder.0.join("s.parquet")).unwrap();
    let length = whole.len();
    let footer = u32::from_le_bytes(whole[length - 8..length - 4].try_into().unwrap()) as usize;
    let mut places = 0;
    for place in (length - 8 - footer..length - 8).step_by(7) {
        let mut bad = whole.clone();
        bad[place] ^= 1;
        folder.bytes("bad.parquet", &bad);
        let done = folder.run(&["check", "bad.parquet"]);
        assert!(!done.err().contains("panicked"), "byte {place}: {}", done.err());
        if done.err().contains("footer is corrupt: row group") {
            places += 1;
            let store = format!("of-{place}");
            ends(folder.replay("bad.parquet", &store), "bad.parquet: its footer", 1, None);
        }
    }
    assert!(places > 0, "no byte of the footer is the sign of a place");
}
