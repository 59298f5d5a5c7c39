//! Brokers of a test's own, which it may kill, stop and cut off.

use crate::folder::Folder;
use crate::life::signal;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Brokers below a folder of their own, in a network of their own where there is one.
pub struct Servers {
    folder: Folder,
    network: Option<Network>,
    count: usize,
    /// Where they are.
    pub brokers: String,
}

impl Servers {
    /// Starts so many brokers.
    pub fn start(count: usize) -> Self {
        Self::start_in(count, None)
    }

    /// Starts a broker that can be cut off.
    pub fn apart() -> Self {
        Self::start_in(1, Network::new())
    }

    fn start_in(count: usize, network: Option<Network>) -> Self {
        let (folder, brokers) = (Folder::new(), String::new());
        let mut servers = Servers { folder, network, count, brokers };
        servers.up();
        let env = std::fs::read_to_string(servers.folder.path().join("env")).unwrap();
        let line = env.lines().find_map(|line| line.strip_prefix("TIDEMILL_KAFKA="));
        servers.brokers = line.unwrap().to_owned();
        servers
    }

    /// Starts those that do not run.
    pub fn up(&self) {
        self.services("up", &["--brokers", &self.count.to_string()]);
    }

    fn services(&self, action: &str, more: &[&str]) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = match &self.network {
            Some(network) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &network.name]).env("TIDEMILL_HOST", &network.host);
                command.arg(root.join("scripts/services"));
                command
            }
            None => Command::new(root.join("scripts/services")),
        };
        command.args([action, "kafka", "--at"]).arg(self.folder.path()).args(more);
        let done = command.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn file(&self, number: usize, name: &str) -> PathBuf {
        self.folder.path().join(format!("run/kafka-{number}")).join(name)
    }

    fn pid(&self, number: usize) -> u32 {
        let text = std::fs::read_to_string(self.file(number, "pid")).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }

    /// Kills a broker; they are numbered from 1.
    pub fn kill(&self, number: usize) {
        signal("KILL", self.pid(number));
        while Path::new(&format!("/proc/{}", self.pid(number))).exists() {
            std::thread::yield_now();
        }
    }

    /// Keeps a broker from doing anything, or lets it go on.
    pub fn stop(&self, is_stopped: bool) {
        signal(if is_stopped { "STOP" } else { "CONT" }, self.pid(1));
    }

    /// Cuts the broker off, or joins it again: by its network, or where the system gives none, by stopping it.
    pub fn cut_off(&self, is_off: bool) {
        match &self.network {
            Some(network) => network.set(if is_off { "down" } else { "up" }),
            None => self.stop(is_off),
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.services("down", &[]);
    }
}

/// A network of one host, joined to this one's by a line that can be cut.
struct Network {
    name: String,
    line: String,
    host: String,
}

impl Network {
    /// Makes one; none where this process may not.
    fn new() -> Option<Self> {
        let number = std::process::id();
        let (name, line) = (format!("tidemill-{number}"), format!("tm{number}"));
        // Of 198.18.0.0/15, which is for trials between networks, four addresses.
        let subnet = format!("198.18.{}", number % 256);
        let base = number / 256 % 64 * 4;
        let [here, host] = [1, 2].map(|at| format!("{subnet}.{}", base + at));
        let network = Network { name, line, host };
        let Network { name, line, host } = &network;
        if !ip(&format!("netns add {name}")) {
            println!("no network of its own may be made here: the broker is stopped instead");
            std::mem::forget(network);
            return None;
        }
        for step in [
            format!("link add {line} type veth peer name eth0 netns {name}"),
            format!("addr add {here}/30 dev {line}"),
            format!("link set {line} up"),
            format!("-n {name} addr add {host}/30 dev eth0"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} link set lo up"),
        ] {
            assert!(ip(&step), "ip {step}");
        }
        Some(network)
    }

    fn set(&self, state: &str) {
        assert!(ip(&format!("link set {} {state}", self.line)));
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.name));
        ip(&format!("link del {}", self.line));
    }
}

fn ip(words: &str) -> bool {
    let done = Command::new("ip").args(words.split(' ')).output();
    done.is_ok_and(|done| done.status.success())
}
