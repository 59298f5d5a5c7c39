//! Stores that fail or are full: of checkpoints, which costs those and nothing else, and of rows, which ends the
//! run; in the end there is what a run leaves that nothing hindered.

use super::{Done, Folder, tables};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const SOURCE: &str = "[[source]]\nkind = \"simulator\"\n\
    simulator = { trades = 60000, symbols = 40, partitions = 3, late = 0.03, duplicate = 0.004 }\n";
const SERIES: &str =
    "[[bars]]\nwidths = [\"1min\", \"5min\"]\n[[indicators]]\nlist = [\"sma(20)\"]\n";
/// Looks until something has happened, a hundredth of a second each, at most.
const LOOKS_MAX: u32 = 6_000;

/// A run of this folder that is paced to last some seconds, one that is not, and one that keeps no checkpoints.
struct Trial<'a> {
    folder: &'a Folder,
    env: Vec<(&'static str, String)>,
}

impl<'a> Trial<'a> {
    fn new(folder: &'a Folder, to: &str) -> Self {
        let kept = format!("[cluster]\ncheckpoints = {{ every = \"50ms\", to = \"{to}\" }}\n");
        folder.file("paced.toml", &format!("{kept}{SOURCE}pace = \"500x\"\n{SERIES}"));
        folder.file("last.toml", &format!("{kept}{SOURCE}{SERIES}"));
        folder.file("clean.toml", &format!("{SOURCE}{SERIES}"));
        Trial { folder, env: Vec::new() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        command.args(args).current_dir(&self.folder.0);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        Done(self.command(args).output().unwrap())
    }

    fn start(&self) -> Child {
        let mut command = self.command(&["run", "--config", "paced.toml", "--data", "store"]);
        let said = std::fs::File::create(self.folder.0.join("said")).unwrap();
        command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.0.join("said")).unwrap()
    }

    /// Goes on to the end, and compares with a run that nothing hindered; what the last run said.
    fn ends_like_a_clean_one(&self) -> serde_json::Value {
        let last = self.run(&["run", "--config", "last.toml", "--data", "store", "--json"]);
        let last = last.exits(0).json();
        self.run(&["run", "--config", "clean.toml", "--data", "clean"]).exits(0);
        assert!(tables(&self.folder.0, "store") == tables(&self.folder.0, "clean"));
        last
    }

    /// Manifests that hold something.
    fn manifests(&self) -> u64 {
        let list = ["checkpoints", "list", "--config", "last.toml", "--json"];
        let entries = self.run(&list).exits(0).json();
        let entries = entries["entries"].as_array().unwrap();
        let number = |entry: &serde_json::Value| {
            entry["epoch"].as_i64().and_then(|_| entry["number"].as_u64())
        };
        entries.iter().filter_map(number).max().unwrap_or(0)
    }

    fn wait_for_a_manifest(&self, run: &mut Child) {
        let before = self.manifests();
        wait_for("a manifest", || {
            let ended = run.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", self.said());
            self.manifests() > before
        });
    }
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_there() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not come");
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Puts a file in place of a folder, so that nothing can be written or found in it.
fn hide(folder: &Path, is_hidden: bool) {
    let aside = folder.with_extension("aside");
    if is_hidden {
        std::fs::rename(folder, aside).unwrap();
        std::fs::write(folder, "not a folder").unwrap();
    } else {
        std::fs::remove_file(folder).unwrap();
        std::fs::rename(aside, folder).unwrap();
    }
}

#[test]
fn a_store_of_checkpoints_that_fails_costs_those_and_nothing_else() {
    let folder = Folder::new();
    let trial = Trial::new(&folder, "kept");
    for name in ["parts", "seq"] {
        let place = folder.0.join("kept/tidemill").join(name);
        let mut run = trial.start();
        trial.wait_for_a_manifest(&mut run);
        hide(&place, true);
        std::thread::sleep(Duration::from_millis(300));
        assert!(run.try_wait().unwrap().is_none(), "it ended: {}", trial.said());
        hide(&place, false);
        trial.wait_for_a_manifest(&mut run);
        hide(&place, true);
        std::thread::sleep(Duration::from_millis(100));
        kill(run);
        hide(&place, false);
    }
    // It fails from the beginning to the end of a run, which says so.
    let mut run = trial.start();
    trial.wait_for_a_manifest(&mut run);
    hide(&folder.0.join("kept/tidemill/parts"), true);
    super::processes::interrupt(&folder, &run);
    run.wait().unwrap();
    hide(&folder.0.join("kept/tidemill/parts"), false);
    let verified = trial.run(&["checkpoints", "verify", "--config", "last.toml"]).exits(0);
    assert!(!verified.out().contains("half written"), "{}", verified.out());
    trial.ends_like_a_clean_one();
}

/// Changes bits of a byte of what the newest manifests name first; how many did.
fn damage(trial: &Trial<'_>, most: usize, bits: u8) -> usize {
    let list = ["checkpoints", "list", "--config", "last.toml", "--json"];
    let list = trial.run(&list).exits(0).json();
    let entries = list["entries"].as_array().unwrap().iter().rev();
    let parts = entries.filter_map(|entry| entry["bundles"][0].as_str()).take(most);
    let damage = |part: &str| {
        let path = trial.folder.0.join("kept/tidemill").join(part);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= bits;
        std::fs::write(path, bytes).unwrap();
    };
    parts.map(damage).count()
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let folder = Folder::new();
    let trial = Trial::new(&folder, "kept");
    let mut run = trial.start();
    (0..4).for_each(|_| trial.wait_for_a_manifest(&mut run));
    kill(run);
    assert_eq!(damage(&trial, 2, 0x10), 2);
    let mut run = trial.start();
    trial.wait_for_a_manifest(&mut run);
    kill(run);
    let said = trial.said();
    assert_eq!(
        said.matches("its checksum differs: an older one is gone on from").count(),
        2,
        "{said}"
    );
    trial.ends_like_a_clean_one();
}

#[test]
fn where_no_checkpoint_is_whole_a_start_says_so() {
    let folder = Folder::new();
    let trial = Trial::new(&folder, "kept");
    let mut run = trial.start();
    (0..2).for_each(|_| trial.wait_for_a_manifest(&mut run));
    kill(run);
    trial.run(&["checkpoints", "prune", "--config", "last.toml", "--keep", "1"]).exits(0);
    assert_eq!(damage(&trial, usize::MAX, 0x01), 1);
    let last = ["run", "--config", "last.toml", "--data", "store"];
    let refused = trial.run(&last).exits(1).says("kept: no checkpoint there is whole (checkpoint ");
    assert!(refused.err().contains("or give --replace to begin anew"), "{}", refused.err());
    trial.run(&[&last[..], &["--replace"]].concat()).exits(0);
    trial.ends_like_a_clean_one();
}

/// Says that there is nothing to be had, whatever it is asked for.
fn refuse_all(listener: TcpListener) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(answer.as_bytes());
    }
}

#[test]
fn a_bucket_without_keys_says_which_are_wanted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || refuse_all(listener));
    let folder = Folder::new();
    let mut trial = Trial::new(&folder, "s3://tidemill/trial");
    // Who has no keys is sent to the machine's role, which is asked for there.
    trial.env = vec![("AWS_METADATA_ENDPOINT", address)];
    let refused = trial.run(&["run", "--config", "last.toml", "--data", "store"]).exits(1);
    refused.says("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
}

/// A file system of so many bytes, where this process may make one.
struct Small(PathBuf);

impl Small {
    fn new(folder: &Folder, name: &str, size: &str) -> Option<Self> {
        let path = folder.0.join(name);
        std::fs::create_dir_all(&path).unwrap();
        let small = Small(path);
        let made = small.mount(&format!("size={size}"));
        if !made {
            println!(
                "no file system may be mounted here: that a full one is survived is not tried"
            );
        }
        made.then_some(small)
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0);
        mount.output().is_ok_and(|done| done.status.success())
    }

    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("stone")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn clear(&self) {
        std::fs::remove_file(self.0.join("stone")).unwrap();
    }

    fn resize(&self, size: &str) {
        assert!(self.mount(&format!("remount,size={size}")));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_store_of_checkpoints_costs_those_and_nothing_else() {
    let folder = Folder::new();
    let Some(small) = Small::new(&folder, "kept", "16m") else { return };
    let trial = Trial::new(&folder, "kept");
    let mut run = trial.start();
    trial.wait_for_a_manifest(&mut run);
    // What is free goes to another file: the next part finds no room.
    small.fill();
    std::thread::sleep(Duration::from_millis(300));
    assert!(run.try_wait().unwrap().is_none(), "it ended: {}", trial.said());
    small.clear();
    trial.wait_for_a_manifest(&mut run);
    small.fill();
    kill(run);
    // A run that cannot claim its place does not begin.
    let full = trial.run(&["run", "--config", "last.toml", "--data", "store"]);
    small.clear();
    full.exits(1).says("No space left on device");
    trial.ends_like_a_clean_one();
}

#[test]
fn a_full_store_of_rows_ends_the_run_and_a_larger_one_goes_on() {
    let folder = Folder::new();
    let Some(small) = Small::new(&folder, "store", "1m") else { return };
    let trial = Trial::new(&folder, "kept");
    let full = trial.run(&["run", "--config", "last.toml", "--data", "store"]).exits(1);
    let said = full.err();
    assert!(said.contains("tidemill: ") && said.contains("full"), "{said}");
    small.resize("64m");
    trial.ends_like_a_clean_one();
}

/// An S3 gateway of the test's own.
struct Gateway(tempfile::TempDir);

impl Gateway {
    fn start() -> Self {
        let gateway = Gateway(tempfile::tempdir().unwrap());
        gateway.services("up");
        gateway
    }

    fn services(&self, action: &str) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let done = Command::new(script).args([action, "s3", "--at"]).arg(self.0.path()).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn kill(&self) {
        let pid = std::fs::read_to_string(self.0.path().join("run/s3/pid")).unwrap();
        let kill = format!("kill -KILL {pid}");
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    fn address(&self) -> String {
        let env = std::fs::read_to_string(self.0.path().join("env")).unwrap();
        env.lines().find_map(|line| line.strip_prefix("TIDEMILL_S3=")).unwrap().to_owned()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.services("down");
    }
}

fn credentials(address: String) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "tidemill".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "tidemill-secret".to_owned()),
    ]
}

#[test]
fn checkpoints_in_s3_survive_kills_of_the_run_and_of_the_gateway() {
    let folder = Folder::new();
    let gateway = Gateway::start();
    let mut trial = Trial::new(&folder, "s3://tidemill/trial");
    trial.env = credentials(gateway.address());
    for _ in 0..3 {
        let mut run = trial.start();
        trial.wait_for_a_manifest(&mut run);
        kill(run);
    }
    let mut run = trial.start();
    trial.wait_for_a_manifest(&mut run);
    gateway.kill();
    std::thread::sleep(Duration::from_millis(300));
    assert!(run.try_wait().unwrap().is_none(), "it ended: {}", trial.said());
    gateway.services("up");
    trial.wait_for_a_manifest(&mut run);
    kill(run);
    trial.run(&["checkpoints", "verify", "--config", "last.toml"]).exits(0);
    trial.run(&["checkpoints", "prune", "--config", "last.toml", "--keep", "1"]).exits(0);
    trial.ends_like_a_clean_one();
}

#[test]
fn a_store_that_writes_over_what_is_there_is_refused() {
    // It answers that all was done, whatever it is asked under which condition.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            let mut bytes = [0; 4096];
            // Head and the few bytes of the body come in one or two pieces.
            while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                let read = stream.read(&mut bytes).unwrap();
                asked.extend_from_slice(&bytes[..read]);
            }
            let answer =
                "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read_to_end(&mut asked);
        }
    });
    let folder = Folder::new();
    let mut trial = Trial::new(&folder, "s3://tidemill/trial");
    trial.env = credentials(address);
    let refused = trial.run(&["run", "--config", "last.toml", "--data", "store"]);
    refused
        .exits(1)
        .says("this store writes over an object that is to be created only where there is none");
}
