//! `query`: the store as it is, and as it was known at a time.

use super::Folder;

/// A bar that a late trade revises ten seconds after it closed.
const TRADES: &str = "symbol,ts_event,price,size
A,2024-01-02T14:30:10Z,10,1
A,2024-01-02T14:31:10Z,11,1
A,2024-01-02T14:30:20Z,20,1
A,2024-01-02T14:33:00Z,12,1
";
const SQL: &str = "SELECT close, revision FROM aggregated_data";

fn store(flags: &[&str]) -> Folder {
    let folder = Folder::new();
    folder.file("trades.csv", TRADES);
    let replay = ["replay", "trades.csv", "--order", "log", "--widths", "1min", "--sink", "sqlite"];
    folder.run(&[&replay, flags].concat()).exits(0);
    folder
}

fn ask(folder: &Folder, sql: &str, at: &str) -> String {
    folder.run(&["query", sql, "--as-of", at, "--format", "csv"]).exits(0).out()
}

#[test]
fn a_store_is_asked_what_was_known_at_a_time() {
    let folder = store(&[]);
    let now = "close,revision\n20,1\n11,0\n12,0\n";
    assert_eq!(folder.run(&["query", SQL, "--format", "csv"]).exits(0).out(), now);
    // A bar is known when the log's head is two seconds past its end.
    assert_eq!(ask(&folder, SQL, "2024-01-02T14:31:01.999999999Z"), "close,revision\n");
    let first = "close,revision\n10,0\n";
    assert_eq!(ask(&folder, SQL, "2024-01-02T14:31:02Z"), first);
    assert_eq!(ask(&folder, SQL, "2024-01-02T15:31:10.9+01:00"), first);
    assert_eq!(ask(&folder, SQL, "1704205870900000000"), first);
    assert_eq!(ask(&folder, SQL, "2024-01-02T14:31:11Z"), "close,revision\n20,1\n");
    assert_eq!(ask(&folder, SQL, "2025-01-01T00:00:00Z"), now);
    assert_eq!(ask(&folder, SQL, "-1"), "close,revision\n");
    let json = ["query", SQL, "--as-of", "2024-01-02T14:31:02Z", "--json"];
    assert_eq!(folder.run(&json).exits(0).json()[0]["close"], 10.0);
    let past = "SELECT close, revision, deleted FROM aggregated_data_revisions";
    let past = folder.run(&["query", past, "--format", "csv"]).exits(0).out();
    assert_eq!(past, "close,revision,deleted\n10,0,0\n");
}

#[test]
fn a_time_that_is_none_is_wrong_usage() {
    let folder = store(&[]);
    for time in ["yesterday", "2024-01-02", "14:31", ""] {
        let says = format!(
            "--as-of = \"{time}\": a time as 2024-01-02T14:30:00Z, or nanoseconds since 1970, is wanted"
        );
        folder.run(&["query", SQL, "--as-of", time]).exits(2).says(&says);
    }
    let help = folder.run(&["query", "--help"]).exits(0).out();
    assert!(help.contains("tidemill query --as-of 2024-01-02T14:31:00Z"), "{help}");
    folder
        .run(&["query", "DELETE FROM aggregated_data", "--as-of", "2024-01-02T14:31:00Z"])
        .exits(2)
        .says("would write");
}

#[test]
fn what_is_not_kept_is_not_told() {
    let folder = store(&["--data", "kept"]);
    let configured = |keep: &str| {
        folder.file(
            "cluster.toml",
            &format!(
                "[[source]]\nfiles = [\"trades.csv\"]\norder = \"log\"\n[[bars]]\nwidths = [\"1min\"]\n\
                 [[sink]]\nkind = \"sqlite\"\nkeep_revisions = \"{keep}\"\n"
            ),
        );
    };
    configured("30s");
    folder.run(&["run"]).exits(0);
    // The newest row was known at 14:33:02.
    folder
        .run(&["query", SQL, "--as-of", "2024-01-02T14:31:02Z"])
        .exits(2)
        .says("--as-of 2024-01-02T14:31:02Z: lies before 2024-01-02T14:31:11Z, up to which");
    assert_eq!(ask(&folder, SQL, "2024-01-02T14:31:11Z"), "close,revision\n20,1\n");
    configured("1h");
    folder.run(&["run", "--data", "hour"]).exits(0);
    let args = ["query", SQL, "--data", "hour", "--as-of", "2024-01-02T14:31:02Z", "--json"];
    assert_eq!(folder.run(&args).exits(0).json()[0]["close"], 10.0);
    configured("soon");
    folder.run(&["run"]).exits(2).says("sink[0].keep_revisions = \"soon\": a duration is");
    let text = std::fs::read_to_string(folder.0.join("cluster.toml")).unwrap();
    folder.file("cluster.toml", &text.replace("\"sqlite\"", "\"jsonl\"").replace("soon", "1h"));
    folder.run(&["run"]).exits(2).says("only a sink of kind sqlite keeps");
}
