//! What `check` looks at before a start: files, the store, checkpoints; brokers only where it is asked to.

use super::Folder;
use ::kafka::trial;
use std::io::ErrorKind;
use std::net::TcpListener;

const TRADES: &str = "ts_event,symbol,price,size\n1704205800000000000,NVDA,1,1\n";

#[test]
fn files_and_the_store_are_looked_at() {
    let folder = Folder::new();
    let check = |code: i32| folder.run(&["check"]).exits(code).out();
    folder.file("cluster.toml", "[[source]]\nfiles = [\"a-*.csv\"]\n");
    let said = check(2);
    assert!(said.contains("would stop it: \"trades\": pattern \"a-*.csv\": no file"), "{said}");
    folder.file("a-1.csv", TRADES);
    let said = check(0);
    assert!(said.contains("a start would: read \"trades\": 1 file(s) in 1 log(s)"), "{said}");
    assert!(said.contains("a start would: make the store tidemill-data"), "{said}");
    folder.run(&["run"]).exits(0);
    assert!(check(0).contains("a start would: go on with the store tidemill-data"));
    // What the store is of differs in a key, and then in the file.
    folder.file("cluster.toml", "[[source]]\nfiles = [\"a-*.csv\"]\nlateness = \"3s\"\n");
    let said = check(2);
    let wanted = "would stop it: tidemill-data: this store was made with lateness = 2s, not 3s; give --replace";
    assert!(said.contains(wanted), "{said}");
    folder.run(&["run"]).exits(2).says("this store was made with lateness = 2s, not 3s");
    folder.file("cluster.toml", "[[source]]\nfiles = [\"a-*.csv\"]\n");
    folder.file("a-1.csv", &TRADES.replace("NVDA", "AMD"));
    let json = folder.run(&["check", "--json"]).exits(2).json();
    let stops = json["stops"].as_array().unwrap();
    assert!(stops[0].as_str().unwrap().contains("made with input 0 = a-1.csv of"), "{json}");
    assert_eq!((&json["ok"], &json["topics"]), (&false.into(), &serde_json::Value::Null));
    // A file where the store would be.
    std::fs::remove_dir_all(folder.0.join("tidemill-data")).unwrap();
    folder.file("tidemill-data", "");
    let rule = "cluster.toml: deployment.data = \"tidemill-data\": a folder is wanted, and tidemill-data is a file";
    folder.run(&["check"]).exits(2).says(rule);
    folder.run(&["run"]).exits(2).says(rule);
    folder.run(&["replay", "a-1.csv", "--data", "a-1.csv"]).exits(2).says("--data = \"a-1.csv\": ");
    let kept = "[cluster]\ncheckpoints = { every = \"1s\", to = \"a-1.csv/kept\" }\n";
    folder.file(
        "cluster.toml",
        &format!("[deployment]\ndata = \"d\"\n{kept}[[source]]\nfiles = \"a-1.csv\"\n"),
    );
    let rule =
        "cluster.checkpoints.to = \"a-1.csv/kept\": a folder is wanted, and a-1.csv is a file";
    folder.run(&["run"]).exits(2).says(rule);
}

#[test]
fn a_store_that_is_gone_beside_its_checkpoints_is_told() {
    let folder = Folder::new();
    let source = "[cluster]\ncheckpoints = { every = \"10ms\", to = \"kept\" }\n[[source]]\nkind = \"simulator\"\n\
                  pace = \"500x\"\nsimulator = { trades = 20000, session = \"10min\" }\n";
    folder.file("cluster.toml", source);
    assert!(
        folder
            .run(&["check"])
            .exits(0)
            .out()
            .contains("begin anew: there are no checkpoints at kept")
    );
    folder.run(&["run"]).exits(0);
    let said = folder.run(&["check"]).exits(0).out();
    assert!(said.contains("a start would: go on from checkpoint "), "{said}");
    assert!(said.contains("a start would: go on with the store tidemill-data"), "{said}");
    let list = folder.run(&["checkpoints", "list", "--json"]).exits(0).out();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let newest = list["entries"].as_array().unwrap().last().unwrap()["bundles"][0].clone();
    let kept = folder.0.join("kept/tidemill");
    let newest = kept.join(newest.as_str().unwrap());
    let whole = std::fs::read(&newest).unwrap();
    std::fs::remove_file(&newest).unwrap();
    let said = folder.run(&["check"]).exits(0).out();
    assert!(said.contains("a start would: pass over what is not whole: checkpoint "), "{said}");
    std::fs::rename(kept.join("parts"), folder.0.join("aside")).unwrap();
    let said = folder.run(&["check"]).exits(2).out();
    assert!(said.contains("would stop it: kept: no checkpoint there is whole"), "{said}");
    std::fs::rename(folder.0.join("aside"), kept.join("parts")).unwrap();
    std::fs::write(&newest, whole).unwrap();
    std::fs::remove_dir_all(folder.0.join("tidemill-data")).unwrap();
    let said = folder.run(&["check"]).exits(2).out();
    assert!(
        said.contains("would stop it: tidemill-data: holds no store, but the checkpoints at kept"),
        "{said}"
    );
}

/// A configuration whose source and sink are of these brokers.
fn configure(folder: &Folder, brokers: &str, topics: &str) {
    folder.file(
        "cluster.toml",
        &format!(
            "[deployment]\nname = \"{0}\"\n[[source]]\nname = \"in\"\nkind = \"kafka\"\nbrokers = \"{brokers}\"\n\
             topics = [{topics}]\n[[sink]]\nkind = \"kafka\"\nbrokers = \"{brokers}\"\ntopics_prefix = \"{0}-\"\n",
            trial::fresh("check"),
        ),
    );
}

#[test]
fn nobody_is_asked_over_a_network_without_the_flag() {
    let folder = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    configure(&folder, &listener.local_addr().unwrap().to_string(), "\"t\", \"^t.*\"");
    let said = folder.run(&["check"]).exits(0).out();
    assert!(said.contains("read \"in\": topics t, ^t.* of 127.0.0.1"), "{said}");
    assert_eq!(listener.accept().map(|_| ()).unwrap_err().kind(), ErrorKind::WouldBlock);
    // With it they are, and it is told that nobody answers.
    let said = folder.run(&["check", "--connect"]).exits(1).out();
    assert!(said.contains("would stop it: source \"in\": brokers 127.0.0.1"), "{said}");
    assert!(listener.accept().is_ok());
}

#[test]
fn brokers_say_which_topics_are_there_and_what_patterns_match() {
    let folder = Folder::new();
    let (one, other) = (trial::topic("check-one", 2), trial::topic("check-other", 1));
    configure(&folder, &trial::brokers(), &format!("\"{one}\", \"^{other}$\""));
    let said = folder.run(&["check", "--connect"]).exits(0).out();
    assert!(said.contains(&format!("read \"in\": {one} with 2 partition(s)")), "{said}");
    let matches = format!("read \"in\": ^{other}$ matches {other} with 1 partition(s)");
    assert!(said.contains(&matches), "{said}");
    assert!(said.contains("aggregated_data_1min, which is made"), "{said}");
    configure(&folder, &trial::brokers(), "\"no-such-topic\", \"^nothing.begins.so\"");
    let json = folder.run(&["check", "--connect", "--json"]).exits(2).json();
    let stops = json["stops"].as_array().unwrap();
    assert_eq!(stops[0], "source \"in\": there is no topic \"no-such-topic\"");
    assert_eq!(stops[1], "source \"in\": \"^nothing.begins.so\" matches no topic");
    assert_eq!(json["topics"][0]["found"], serde_json::json!([]));
}
