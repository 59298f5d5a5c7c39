//! The documents hold: links lead to files, and the configuration and the commands of the README are real.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md")
}

/// Every Markdown document of the root and of docs/.
fn documents() -> Vec<PathBuf> {
    let folders = [root().to_path_buf(), root().join("docs"), root().join("docs/runbooks")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")).collect()
}

/// Targets of the links of a document that lead to files.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn links_lead_to_files() {
    assert_eq!(links("[a](B.md) [c](https://d) [e](#f) [g](H.md#i)"), ["B.md", "H.md"]);
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).expect("UTF-8 text");
        let folder = document.parent().expect("a folder");
        for link in links(&text).into_iter().filter(|link| !folder.join(link).exists()) {
            broken.push(format!("{}: {link}", document.display()));
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_reason_of_a_refusal_is_told() {
    let text = fs::read_to_string(root().join("docs/command.md")).expect("docs/command.md");
    let (_, table) = text.split_once("## Why a record is refused").expect("a table of reasons");
    for reason in market::Reason::ALL {
        let code = format!("`{reason}`");
        let told = |line: &str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&code));
        assert!(table.lines().any(told), "docs/command.md does not say what {code} is");
    }
}

/// The first block of a language in the README.
fn block(language: &str) -> String {
    let text = readme();
    let (_, rest) = text.split_once(&format!("```{language}\n")).expect("such a block");
    rest.split("```").next().expect("the block's end").to_owned()
}

#[test]
fn the_configuration_of_the_readme_is_accepted() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme-configuration");
    fs::create_dir_all(folder.join("archive")).expect("a folder");
    let mut archive = Command::new(env!("CARGO_BIN_EXE_tidemill"));
    archive.args(["simulate", "--trades", "100", "--out", "archive/2025-01.parquet"]);
    assert!(archive.current_dir(&folder).status().expect("the command runs").success());
    let path = folder.join("cluster.toml");
    fs::write(&path, block("toml")).expect("a file");
    let check = |text: &str| {
        fs::write(&path, text).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(["check", "--config"]).arg(&path).current_dir(&folder);
        command.output().expect("the command runs")
    };
    let out = check(&block("toml"));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let out = check(&block("toml").replace("lateness", "latenes"));
    assert_eq!(out.status.code(), Some(2), "a misspelt key was accepted");
}

#[test]
fn the_commands_of_the_readme_are_those_of_the_help() {
    let named =
        |line: &str| Some(line.strip_prefix("| `tidemill ")?.split([' ', '`']).next()?.to_owned());
    let in_readme: BTreeSet<_> = readme().lines().filter_map(named).collect();
    let help = Command::new(env!("CARGO_BIN_EXE_tidemill")).arg("--help").output();
    let help = String::from_utf8(help.expect("the command runs").stdout).expect("UTF-8 text");
    let (_, commands) = help.split_once("Commands:").expect("a list of commands");
    let lines = commands.lines().skip(1).take_while(|line| !line.trim().is_empty());
    let in_help: BTreeSet<_> = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert_eq!(in_readme, in_help);
}
