//! The rules of the house, checked over its manifests and sources: what may depend on what, who may read a
//! clock, and how long files and functions are. Each rule is a function from a tree of texts to the
//! breaches it found, so that the tests below also show each one failing on a small wrong tree.
//! The dependencies and why they point one way: ARCHITECTURE.md; the other rules: STYLE.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use toml::{Table, Value};

/// Which crates of the house a crate may know; the empty name is the root package.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("market", &[]),
    ("operators", &["market"]),
    ("dataflows", &["market", "operators"]),
    ("kafka", &[]),
    ("sources", &["market", "kafka"]),
    ("sinks", &["market", "kafka"]),
    ("edge", &["market"]),
    ("", &["market", "operators", "dataflows", "kafka", "sources", "sinks", "edge"]),
];

/// Libraries that are at home in some crates only.
const AT_HOME: &[(&str, &[&str])] = &[
    ("timely", &["dataflows"]),
    ("differential-dataflow", &["dataflows"]),
    ("tokio", &["sinks", "edge", ""]),
    ("rdkafka", &["kafka"]),
    ("rdkafka-sys", &["kafka"]),
    ("chrono", &[]),
];

/// Ways to ask what time it is, for every crate but those that may.
const CLOCKS: &[&str] =
    &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now", "Utc::now", "Local::now"];
const MAY_READ_A_CLOCK: &[&str] = &["sources", "src"];

/// The one file that may be unsafe, with its reasons, and this one, which says so.
const MAY_BE_UNSAFE: &[&str] = &["kafka/src/raw.rs", "tests/architecture.rs"];

/// What a kernel is free of.
const OUTSIDE: &[&str] =
    &["std::fs", "std::io", "std::net", "std::thread", "std::process", "std::env", "println!("];

/// What is unfinished or switched off.
const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "#[ignore"];

const FILE_LINES_MAX: usize = 400;
const KERNEL_LINES_MAX: usize = 200;
const FUNCTION_LINES_MAX: usize = 70;

/// Texts by path from the workspace's root.
type Tree = BTreeMap<String, String>;

/// A rule: what it found wrong.
type Rule = fn(&Tree) -> Vec<String>;

/// Every Rust file and manifest below the workspace's root.
fn house() -> Tree {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Tree::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the house") {
            let path = entry.expect("an entry of the house").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if name.ends_with(".rs") || name == "Cargo.toml" {
                let inside = path.strip_prefix(root).expect("a path below the root");
                let text = fs::read_to_string(&path).expect("UTF-8 text");
                tree.insert(inside.to_string_lossy().into_owned(), text);
            }
        }
    }
    tree
}

/// The crate's folder and its parsed manifest, for every crate that the workspace builds.
fn manifests(tree: &Tree) -> Vec<(&str, &str, Table)> {
    let folder = |path: &'_ str| path.strip_suffix("Cargo.toml").map(str::len).unwrap_or(0);
    tree.iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml") && !path.starts_with("fuzz/"))
        .map(|(path, text)| {
            let table = text.parse::<Table>().unwrap_or_else(|error| panic!("{path}: {error}"));
            (path[..folder(path)].trim_end_matches('/'), text.as_str(), table)
        })
        .collect()
}

/// Every table of dependencies in a manifest, those by target included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_table).into_iter();
    let by_target = targets.flat_map(Table::values).filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(by_target)
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .collect()
}

/// The name under which a registry knows a dependency.
fn package<'a>(key: &'a str, value: &'a Value) -> &'a str {
    value.get("package").and_then(Value::as_str).unwrap_or(key)
}

/// `market <- operators <- dataflows`, `market <- {sources, sinks, edge}`, the root knows all.
fn crates_know_only_what_they_may(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (folder, _, manifest) in manifests(tree) {
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(name, _)| *name == folder) else {
            breaches.push(format!("{folder}: a crate that tests/architecture.rs has no rule for"));
            continue;
        };
        for (key, value) in dependency_tables(&manifest).into_iter().flatten() {
            let name = package(key, value).trim_start_matches("tidemill-");
            let ours = MAY_KNOW.iter().any(|(ours, _)| *ours == name);
            if ours && name != folder && !allowed.contains(&name) {
                breaches.push(format!("{folder} depends on {name}"));
            }
        }
    }
    breaches
}

/// timely in dataflows, tokio at the edges, and so on.
fn libraries_stay_at_home(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (folder, _, manifest) in manifests(tree) {
        for (key, value) in dependency_tables(&manifest).into_iter().flatten() {
            let name = package(key, value);
            for (library, homes) in AT_HOME {
                if name == *library && !homes.contains(&folder) {
                    breaches.push(format!("{folder}/Cargo.toml depends on {library}"));
                }
            }
        }
    }
    breaches
}

/// A comment above (or behind) every line that brings in a library says what it saves.
fn dependencies_say_what_they_save(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (folder, text, _) in manifests(tree) {
        let mut above = "";
        let mut inside = false;
        for line in text.lines() {
            if let Some(header) = line.strip_prefix('[') {
                inside = header.trim_end().ends_with("dependencies]");
            }
            let ours = line.contains("workspace = true") || line.contains("path = ");
            let brings_in = line.contains(" = ") && !line.starts_with([' ', '#', ']']) && !ours;
            if inside && brings_in && !above.starts_with('#') && !line.contains(" # ") {
                breaches.push(format!("{folder}/Cargo.toml: `{line}` does not say what it saves"));
            }
            above = line;
        }
    }
    breaches
}

/// Every crate takes the workspace's lints, which forbid unsafe code; the one that may be unsafe denies it.
fn crates_take_the_lints(tree: &Tree) -> Vec<String> {
    let house = tree.get("Cargo.toml").and_then(|text| text.split_once("[workspace.lints.rust]"));
    let tables = house.and_then(|(_, rest)| rest.split("\n[package]").next()).unwrap_or("none");
    let own = tables.replace("forbid", "deny").replace("[workspace.", "[");
    let takes = |folder: &str, text: &str| match folder {
        "kafka" => text.contains(&format!("[lints.rust]{}", own.trim_end())),
        _ => text.contains("[lints]\nworkspace = true"),
    };
    manifests(tree)
        .into_iter()
        .filter(|(folder, text, _)| !takes(folder, text))
        .map(|(folder, _, _)| format!("{folder}/Cargo.toml: no `lints.workspace = true`"))
        .chain(mentions(tree, &["allow(unsafe_code"], |path| !MAY_BE_UNSAFE.contains(&path)))
        .collect()
}

/// The places where one of `words` stands in code (not in a comment) of the files chosen.
fn mentions(tree: &Tree, words: &[&str], chosen: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs") && chosen(path)) {
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words.iter().filter(|word| code.contains(*word)) {
                found.push(format!("{path}:{}: {word}", index + 1));
            }
        }
    }
    found
}

/// The first folder of a path.
fn top(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// A clock is read by sources, the command, tests and benches, and by nothing that computes.
fn clocks_stay_outside(tree: &Tree) -> Vec<String> {
    mentions(tree, CLOCKS, |path| path.contains("src/") && !MAY_READ_A_CLOCK.contains(&top(path)))
}

/// Kernels are pure: no files, threads or terminal.
fn kernels_are_pure(tree: &Tree) -> Vec<String> {
    mentions(tree, OUTSIDE, |path| path.starts_with("operators/src/"))
}

/// Nothing is left to be done, and no test is switched off.
fn nothing_is_unfinished(tree: &Tree) -> Vec<String> {
    mentions(tree, UNFINISHED, |path| path != "tests/architecture.rs")
}

/// A file begins by saying what it is.
fn files_say_what_they_are(tree: &Tree) -> Vec<String> {
    let sources = tree.iter().filter(|(path, _)| path.ends_with(".rs"));
    sources
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| format!("{path}: the first line is no `//!` sentence"))
        .collect()
}

/// Files of kernels have at most 200 lines, others 400.
fn files_are_short(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let is_kernel = [" Kernel for ", " Indicator for "].iter().any(|of| text.contains(of));
        let kernel = path.starts_with("operators/src/") && is_kernel;
        let most = if kernel { KERNEL_LINES_MAX } else { FILE_LINES_MAX };
        let lines = text.lines().count();
        if lines > most {
            breaches.push(format!("{path}: {lines} lines, at most {most}"));
        }
    }
    breaches
}

/// Functions have at most 70 lines. rustfmt closes a function in the column where it began.
fn functions_are_short(tree: &Tree) -> Vec<String> {
    let mut breaches = Vec::new();
    for (path, text) in tree.iter().filter(|(path, _)| path.ends_with(".rs")) {
        let mut open: Option<(usize, usize, &str)> = None;
        for (index, line) in text.lines().enumerate() {
            let code = line.trim_start();
            let column = line.len() - code.len();
            if let Some((began, at, name)) = open {
                if column == at && (code.starts_with('}') || code.ends_with(';')) {
                    let lines = index - began + 1;
                    if lines > FUNCTION_LINES_MAX {
                        breaches.push(format!("{path}:{}: {name} has {lines} lines", began + 1));
                    }
                    open = None;
                }
            } else if let Some(name) = function_name(code) {
                let one_line = code.ends_with('}') || code.ends_with(';');
                open = (!one_line).then_some((index, column, name));
            }
        }
    }
    breaches
}

/// The name of the function that a line of code begins.
fn function_name(code: &str) -> Option<&str> {
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "extern \"C\" "];
    let mut rest = code;
    while let Some(shorter) = words.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = shorter;
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

const RULES: &[(&str, Rule)] = &[
    ("crates know only what they may", crates_know_only_what_they_may),
    ("libraries stay at home", libraries_stay_at_home),
    ("dependencies say what they save", dependencies_say_what_they_save),
    ("crates take the lints", crates_take_the_lints),
    ("clocks stay outside", clocks_stay_outside),
    ("kernels are pure", kernels_are_pure),
    ("nothing is unfinished", nothing_is_unfinished),
    ("files say what they are", files_say_what_they_are),
    ("files are short", files_are_short),
    ("functions are short", functions_are_short),
];

#[test]
fn the_house_keeps_its_rules() {
    let tree = house();
    assert!(tree.len() > 20, "found only {} files", tree.len());
    let mut breaches = Vec::new();
    for (name, rule) in RULES {
        breaches.extend(rule(&tree).into_iter().map(|breach| format!("{name}: {breach}")));
    }
    assert!(breaches.is_empty(), "{}", breaches.join("\n"));
}

/// Checks that a rule finds exactly `wanted` in a tree of `(path, text)`.
fn check(rule: Rule, files: &[(&str, &str)], wanted: &[&str]) {
    let tree = files.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
    assert_eq!(rule(&tree), wanted);
}

#[test]
fn a_sink_that_knows_sources_is_found() {
    let rule = crates_know_only_what_they_may;
    check(rule, &[("operators/Cargo.toml", "[dependencies]\nmarket.workspace = true")], &[]);
    check(rule, &[("Cargo.toml", "[dependencies]\nsinks.workspace = true")], &[]);
    let direct = ("sinks/Cargo.toml", "[dependencies]\nsources.workspace = true");
    check(rule, &[direct], &["sinks depends on sources"]);
    let renamed =
        ("sources/Cargo.toml", "[dev-dependencies]\nx = { package = \"tidemill-operators\" }");
    check(rule, &[renamed], &["sources depends on operators"]);
    let by_target =
        ("market/Cargo.toml", "[target.'cfg(unix)'.dependencies]\nedge = { path = '' }");
    check(rule, &[by_target], &["market depends on edge"]);
    let unknown = ("glue/Cargo.toml", "[package]");
    check(rule, &[unknown], &["glue: a crate that tests/architecture.rs has no rule for"]);
}

#[test]
fn a_library_away_from_home_is_found() {
    let rule = libraries_stay_at_home;
    check(rule, &[("dataflows/Cargo.toml", "[dependencies]\ntimely = \"0.31\"")], &[]);
    let timely = ("operators/Cargo.toml", "[dependencies]\nt = { package = \"timely\" }");
    check(rule, &[timely], &["operators/Cargo.toml depends on timely"]);
    let tokio = ("sources/Cargo.toml", "[build-dependencies]\ntokio = \"1\"");
    check(rule, &[tokio], &["sources/Cargo.toml depends on tokio"]);
}

#[test]
fn a_dependency_without_a_reason_is_found() {
    let rule = dependencies_say_what_they_save;
    let good = "[package]\nname = \"x\"\n[dependencies]\n# Saves much.\na = \"1\"\n\
                b = \"1\" # Saves more.\nc.workspace = true\nd = { path = \"d\" }";
    check(rule, &[("market/Cargo.toml", good)], &[]);
    let bad = "[workspace.dependencies]\n# Saves much.\na = \"1\"\nb = \"2\"";
    check(
        rule,
        &[("x/Cargo.toml", bad)],
        &["x/Cargo.toml: `b = \"2\"` does not say what it saves"],
    );
}

#[test]
fn a_crate_without_lints_is_found() {
    check(crates_take_the_lints, &[("market/Cargo.toml", "[lints]\nworkspace = true")], &[]);
    let wanted = &["market/Cargo.toml: no `lints.workspace = true`"];
    check(crates_take_the_lints, &[("market/Cargo.toml", "[package]")], wanted);
}

#[test]
fn a_clock_in_the_graph_is_found() {
    let reads = "//! X.\nlet now = Instant::now();";
    let rule = clocks_stay_outside;
    check(rule, &[("sources/src/pace.rs", reads), ("src/main.rs", reads)], &[]);
    check(rule, &[("benches/w1.rs", reads), ("sinks/benches/sqlite.rs", reads)], &[]);
    check(rule, &[("sinks/src/lib.rs", "//! X.\n// Not Instant::now().")], &[]);
    check(rule, &[("sinks/src/lib.rs", reads)], &["sinks/src/lib.rs:2: Instant::now"]);
}

#[test]
fn a_kernel_that_reaches_out_is_found() {
    let reads = "//! X.\nuse std::fs::File;";
    check(kernels_are_pure, &[("sinks/src/file.rs", reads)], &[]);
    check(
        kernels_are_pure,
        &[("operators/src/ema.rs", reads)],
        &["operators/src/ema.rs:2: std::fs"],
    );
}

#[test]
fn what_is_unfinished_is_found() {
    let file = ("market/src/lib.rs", "//! X.\n// todo!() in a comment\nfn f() { todo!() }");
    check(nothing_is_unfinished, &[file], &["market/src/lib.rs:3: todo!("]);
}

#[test]
fn a_file_that_says_nothing_is_found() {
    check(files_say_what_they_are, &[("a.rs", "//! What it is.")], &[]);
    let wanted = &["a.rs: the first line is no `//!` sentence"];
    check(files_say_what_they_are, &[("a.rs", "use std::fs;")], wanted);
}

#[test]
fn long_files_and_functions_are_found() {
    let kernel = format!("impl Kernel for X {{}}\n{}", "\n".repeat(KERNEL_LINES_MAX));
    check(files_are_short, &[("sinks/src/x.rs", &kernel)], &[]);
    let wanted = &["operators/src/x.rs: 201 lines, at most 200"];
    check(files_are_short, &[("operators/src/x.rs", &kernel)], wanted);
    let indicator = kernel.replace("Kernel", "Indicator");
    check(files_are_short, &[("operators/src/x.rs", &indicator)], wanted);
    let file = "\n".repeat(FILE_LINES_MAX + 1);
    check(files_are_short, &[("a.rs", &file)], &["a.rs: 401 lines, at most 400"]);

    let function = |lines: usize| format!("    pub fn f() {{\n{}    }}\n", "\n".repeat(lines - 2));
    let short = format!("trait T {{\n    fn g();\n{}}}\n", function(FUNCTION_LINES_MAX));
    check(functions_are_short, &[("a.rs", &short)], &[]);
    let long = function(FUNCTION_LINES_MAX + 1);
    check(functions_are_short, &[("a.rs", &long)], &["a.rs:1: f has 71 lines"]);
}
