//! Places that errors name: files where folders are wanted, keys and flags of the same text; and the words of choices.

use super::{parse, refused};
use operators::indicator::Registry;
use tidemill::config::{Config, Order, OutlierMode, Override, PartitionMode};

#[test]
fn a_file_in_place_of_a_folder_is_named_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let (file, inside) = (file.display(), file.join("a/b"));
    let inside = inside.display();
    let rule = format!("a folder is wanted, and {file} is a file");
    for given in [format!("{file}"), format!("{inside}")] {
        refused(
            &format!("[deployment]\ndata = \"{given}\""),
            &format!("cluster.toml: deployment.data = \"{given}\": {rule}"),
        );
        refused(
            &format!("[cluster]\ncheckpoints = {{ every = \"5s\", to = \"{given}\" }}"),
            &format!("cluster.toml: cluster.checkpoints.to = \"{given}\": {rule}"),
        );
    }
    // Where checkpoints lie in the store, it is the store's key that is to be changed.
    std::fs::write(folder.path().join("checkpoints"), "").unwrap();
    let data = folder.path().display();
    refused(
        &format!("[deployment]\ndata = \"{data}\"\n[cluster]\ncheckpoints = {{ every = \"5s\" }}"),
        &format!(
            "cluster.toml: deployment.data = \"{data}\": a folder is wanted, and {data}/checkpoints is a file"
        ),
    );
}

#[test]
fn columns_and_conditions_are_checked_under_their_keys() {
    let wanted =
        |place: &str| format!("{place} = \"price=px*x\": at \"x\": wanted a decimal factor");
    let begins = |text: &str, place: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.starts_with(&wanted(place)), "{error}");
    };
    let files = "[[source]]\nfiles = [\"a\"]\n";
    let columns = "columns = \"price=px*x\"";
    begins(&format!("{files}{columns}"), "cluster.toml: source.columns");
    begins(&format!("{files}{files}{columns}"), "cluster.toml: source[1].columns");
    let kafka = "[[source]]\nkind = \"kafka\"\nbrokers = \"k:1\"\ntopics = [\"t\"]\n";
    begins(&format!("{kafka}{columns}"), "cluster.toml: source.columns");
    let history = format!("{kafka}history = {{ files = \"a\", {columns} }}");
    begins(&history, "cluster.toml: source.history.columns");
    refused(
        &format!("{files}where = \"type in 4\""),
        "cluster.toml: source.where = \"type in 4\": at \"4\": wanted \"(\"",
    );
    let (flag, path) = ("--columns", &["source", "columns"]);
    let over = Override { flag, path, value: "price=px*x".into() };
    let error = Config::parse("cluster.toml", files, &[over], &Registry::standard()).unwrap_err();
    assert!(error.to_string().starts_with(&wanted("--columns")), "{error}");
}

fn words<T>(list: &[(&'static str, T)]) -> Vec<&'static str> {
    list.iter().map(|(word, _)| *word).collect()
}

#[test]
fn choices_are_facts_by_the_words_that_make_them() {
    let facts = |text: &str| parse(text).unwrap().facts();
    let has = |facts: &[(String, String)], name: &str, word: &str| {
        let fact = facts.iter().find(|(known, _)| known == name);
        assert!(fact.is_some_and(|(_, fact)| fact.contains(word)), "{name}: {word}: {facts:?}");
    };
    for (word, _) in Order::WORDS {
        let text = format!("[[source]]\nfiles = [\"a\"]\norder = \"{word}\"");
        has(&facts(&text), "layout", &format!("order {word}"));
    }
    for (word, _) in PartitionMode::WORDS {
        let text = format!("[[source]]\nfiles = [\"a\"]\npartition = \"{word}\"");
        has(&facts(&text), "layout", &format!("partition {word}"));
    }
    for (word, _) in OutlierMode::WORDS {
        has(&facts(&format!("[admission]\noutliers = {{ mode = \"{word}\" }}")), "outliers", word);
    }
    // Stores are known by them: another word is another lineage.
    assert_eq!(words(Order::WORDS), ["time", "log", "any"]);
    assert_eq!(words(PartitionMode::WORDS), ["file", "sequence"]);
    assert_eq!(words(OutlierMode::WORDS), ["off", "flag", "refuse"]);
}
