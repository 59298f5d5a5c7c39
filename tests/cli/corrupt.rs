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
                   1,A,nan,1\n1,A,inf,1\n1,A,-inf,1\n1,A,1e400,1\n1,A,1e-400,1\n1,A,1,0\n1,A,1,nan\n\
                   1,A,,1\n1,A,1,\n1,A,0x10,1\n1,A,\"1,5\",1\n";
    let quoted = "1704205800000000000,\"A\nB\",1,1\n1704205800000000000,\"A,B\",1,1\n\
                  1704205800000000000,\"A\"\"B\",1,1\n1704205800000000000,\"A,1,1\n";
    let zeros = "1704205800000000000,A\0B,1,1\n1704205800000000000,A,1\0,1\n\0\n\0\0,\0,\0,\0\n";
    let cases: &[Case] = &[
        ("empty.csv", String::new(), 3, Some((0, 0))),
        ("header.csv", HEADER.to_owned(), 3, Some((0, 0))),
        ("headless.csv", GOOD.to_owned(), 2, None),
        ("twice.csv", format!("ts_event,symbol,price,price,size\n{GOOD}"), 2, None),
        ("lacking.csv", "ts_event,symbol,price\n1,A,1\n".to_owned(), 2, None),
        ("split.csv", format!("\"ts_\nevent\",symbol,price,size\n{GOOD}"), 2, None),
        ("mac.csv", format!("{HEADER}{GOOD}").replace('\n', "\r"), 2, None),
        ("start.csv", format!("{HEADER}0,A,1,1\n-1,A,1,1\n1000000000,A,1,1\n"), 0, Some((3, 3))),
        ("quoted.csv", format!("{HEADER}{quoted}{GOOD}"), 0, Some((6, 3))),
        ("open.csv", format!("{HEADER}1704205800000000000,\"A,1,1\n{GOOD}{GOOD}"), 0, Some((3, 2))),
        ("zeros.csv", format!("{HEADER}{zeros}{GOOD}"), 0, Some((5, 1))),
        ("types.csv", format!("{HEADER}{types}"), 3, Some((6, 0))),
        ("numbers.csv", format!("{HEADER}{numbers}{GOOD}"), 0, Some((17, 1))),
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
fn files_of_nothing_are_empty_logs() {
    let folder = Folder::new();
    for (name, text) in [("stream.csv.gz", ""), ("header.csv.gz", HEADER)] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, text.as_bytes()).unwrap();
        folder.bytes(name, &gzip.finish().unwrap());
    }
    for name in ["none.csv", "none.csv.gz", "none.csv.zst", "none.parquet"] {
        folder.bytes(name, b"");
    }
    let columns = "message trades { required int64 ts_event; required binary symbol (UTF8);
        required double price; required double size; }";
    let schema = parquet::schema::parser::parse_message_type(columns).unwrap();
    let file = std::fs::File::create(folder.0.join("rows.parquet")).unwrap();
    let writer =
        parquet::file::writer::SerializedFileWriter::new(file, schema.into(), Default::default());
    writer.unwrap().close().unwrap();
    let empty = ["stream.csv.gz", "header.csv.gz", "none.csv", "none.csv.gz", "none.csv.zst"];
    folder.file("good.csv", &format!("{HEADER}{GOOD}"));
    for name in empty.into_iter().chain(["none.parquet", "rows.parquet"]) {
        ends(folder.replay(name, &format!("of-{name}")), name, 3, Some((0, 0)));
        // Beside others it changes nothing, in whatever order and partitions they are read.
        for (flag, value) in [("--order", "any"), ("--partition", "sequence")] {
            let store = format!("of-{name}-{value}");
            let args = ["replay", "good.csv", name, flag, value, "--json", "--data", &store];
            ends(folder.run(&args), name, 0, Some((1, 1)));
        }
    }
}

#[test]
fn text_of_two_bytes_a_character_is_named() {
    let folder = Folder::new();
    let text: Vec<u16> = format!("{HEADER}{GOOD}").encode_utf16().collect();
    let with = |mark: &[u8], bytes: fn(u16) -> [u8; 2]| {
        let text = text.iter().flat_map(|&unit| bytes(unit));
        mark.iter().copied().chain(text).collect::<Vec<u8>>()
    };
    for (name, bytes) in [
        ("le.csv", with(b"", u16::to_le_bytes)),
        ("be.csv", with(b"", u16::to_be_bytes)),
        ("le-mark.csv", with(b"\xff\xfe", u16::to_le_bytes)),
        ("be-mark.csv", with(b"\xfe\xff", u16::to_be_bytes)),
    ] {
        folder.bytes(name, &bytes);
        let wanted = format!("{name}: UTF-16 text, wanted UTF-8");
        ends(folder.replay(name, "store"), &wanted, 2, None);
        let flags = ["--no-header", "--columns", "ts_event=c1, symbol=c2, price=c3, size=c4"];
        let done = folder.run(&[&["replay", name, "--data", "store"][..], &flags].concat());
        ends(done, &wanted, 2, None);
    }
    folder.bytes("mark.csv", &[b"\xef\xbb\xbf", HEADER.as_bytes(), GOOD.as_bytes()].concat());
    ends(folder.replay("mark.csv", "mark"), "mark.csv", 0, Some((1, 1)));
}

/// A line has at most a megabyte; a longer one is one record, wherever it stands.
#[test]
fn lines_without_end_are_refused() {
    let folder = Folder::new();
    let long = |bytes: usize| format!("1704205800000000000,{},1,1\n", "A".repeat(bytes));
    let cases: &[Case] = &[
        ("first.csv", format!("{HEADER}{}{GOOD}", long(3 << 20)), 0, Some((2, 1))),
        ("last.csv", format!("{HEADER}{GOOD}{}", long(3 << 20).trim_end()), 0, Some((2, 1))),
        ("within.csv", format!("{HEADER}{}{GOOD}", long(900 << 10)), 0, Some((2, 1))),
        ("both.csv", format!("{HEADER}{}{0}{GOOD}", long(1 << 20)), 0, Some((3, 1))),
        ("head.csv", format!("{}{GOOD}", HEADER.replace("size", &long(3 << 20))), 1, None),
    ];
    for (name, text, code, counts) in cases {
        folder.file(name, text);
        ends(folder.replay(name, &format!("of-{name}")), name, *code, *counts);
    }
}

/// What is wrong with the times or the columns of one of several files, and what is no file at all.
#[test]
fn orders_and_partitions_that_the_files_do_not_have() {
    let folder = Folder::new();
    let trades = |seconds: &mut dyn Iterator<Item = i64>| {
        let line = |second: i64| format!("{},A,1,1\n", (1_704_205_800 + second) * 1_000_000_000);
        HEADER.to_owned() + &seconds.map(line).collect::<String>()
    };
    folder.file("a.csv", &trades(&mut (0..100)));
    folder.file("within.csv", &trades(&mut (50..150)));
    folder.file("back.csv", &(trades(&mut (0..100).rev()) + "x,A,1,1\n1,A\n"));
    folder.file("other.csv", "a,b\n1,2\n");
    folder.bytes("not.parquet", b"PAR1PAR1");
    std::fs::create_dir(folder.0.join("folder")).unwrap();
    let sequence = ["--partition", "sequence"];
    let check = |files: &[&str], flags: &[&str], what: &str, code, counts| {
        let store = ["--json", "--data", "store", "--replace"];
        let done = folder.run(&[&["replay"], files, flags, &store].concat());
        ends(done, what, code, counts);
    };
    check(&["back.csv"], &[], "--order any sorts the file", 2, None);
    check(&["back.csv"], &["--order", "any"], "back.csv", 0, Some((102, 100)));
    check(&["a.csv", "within.csv"], &sequence, "\"within.csv\" begins at", 2, None);
    check(&["within.csv", "a.csv"], &sequence, "\"a.csv\" begins at", 2, None);
    check(&["a.csv", "within.csv"], &[], "a.csv", 0, Some((200, 200)));
    check(&["a.csv", "back.csv"], &sequence, "\"back.csv\" begins at", 2, None);
    check(&["a.csv", "a.csv"], &sequence, "\"a.csv\" is named twice", 2, None);
    for flags in [&[][..], &sequence, &["--order", "any"]] {
        check(&["a.csv", "other.csv"], flags, "other.csv: input: no column", 2, None);
        check(&["a.csv", "nothing.csv"], flags, "cannot open \"nothing.csv\"", 2, None);
        check(&["a.csv", "folder"], flags, "\"folder\" is a folder", 2, None);
        check(&["a.csv", "not.parquet"], flags, "not.parquet: not a whole Parquet", 1, None);
        check(&["a.csv", "/dev/null"], flags, "is a pipe or a device", 2, None);
        check(&["folder/*"], flags, "pattern \"folder/*\": no file", 2, None);
        check(&[""], flags, "FILES = \"\": the name of a file", 2, None);
    }
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
