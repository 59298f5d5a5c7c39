//! `tidemill up`: the processes of this machine, supervised as one set.
//!
//! ```text
//! start all -> one is lost -> end the others -> wait -> start all
//!           -> all have ended, or one says that it will not do -> end with their code
//! ```
//! A process that lost a peer cannot go on, so the set starts again together, from what is stored. What a
//! process says of itself is final: done (0), wrong usage (2), too much refused (3), another run has begun (5),
//! interrupted (130). One that was taken over must not take over again.

use super::args::UpArgs;
use super::brokers::configuration;
use super::output::complain;
use super::{Failure, OVERTAKEN};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The first wait before the set starts again, which readers notice; each is twice as long as the one before.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// A set that ran so long begins with the first wait again.
const SETTLED: Duration = Duration::from_secs(60);
/// How long a process may take to end once it was told to.
const STOP_WAIT: Duration = Duration::from_secs(30);
/// Between two looks at the processes.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of a line that is passed on; a longer one is cut into several.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Signals that came to this process.
static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// Supervises.
pub(super) fn up(args: &UpArgs) -> Result<u8, Failure> {
    let config = configuration(&args.config)?;
    let numbers = of_this_machine(config.processes());
    if numbers.is_empty() {
        let list = config.processes().join(", ");
        return Err(Failure::usage(format!(
            "none of cluster.processes is of this machine: {list}"
        )));
    }
    ctrlc::set_handler(|| {
        SIGNALS.fetch_add(1, Ordering::SeqCst);
    })
    .map_err(|error| Failure::failed(format!("cannot watch for signals: {error}")))?;
    let mut wait = WAIT_MIN;
    loop {
        let began = now();
        let set = Set::start(args, &numbers)?;
        let lost = match set.watch() {
            Outcome::Ended(code) => return Ok(code),
            Outcome::Lost(what) => what,
        };
        if began.elapsed() >= SETTLED {
            wait = WAIT_MIN;
        }
        complain(&format!("{lost}; the set starts again in {} s", wait.as_secs_f64()));
        let until = now() + wait;
        while now() < until {
            if signals() > 0 {
                return Ok(130);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        wait = (wait * 2).min(WAIT_MAX);
    }
}

/// Numbers of the processes whose address is one of this machine's: a socket can be bound to it.
fn of_this_machine(processes: &[String]) -> Vec<usize> {
    if processes.is_empty() {
        return vec![0];
    }
    let is_here = |address: &&String| {
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = (host, 0).to_socket_addrs();
        found.is_ok_and(|mut list| list.any(|address| TcpListener::bind(address).is_ok()))
    };
    let numbered = processes.iter().enumerate();
    numbered.filter(|(_, address)| is_here(address)).map(|(number, _)| number).collect()
}

/// How a set came to its end.
enum Outcome {
    /// With the code of the set.
    Ended(u8),
    /// A process was lost; in words.
    Lost(String),
}

struct Process {
    number: usize,
    child: Child,
    status: Option<ExitStatus>,
    /// Pass on what it says.
    voices: Vec<JoinHandle<()>>,
}

/// The processes of one start. Dropped, it leaves none behind.
struct Set(Vec<Process>);

impl Set {
    fn start(args: &UpArgs, numbers: &[usize]) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::failed(format!("cannot find this program: {error}")))?;
        let mut set = Set(Vec::new());
        for &number in numbers {
            let mut child = Command::new(&program)
                .arg("run")
                .arg("--config")
                .arg(&args.config)
                .args(["--process", &number.to_string(), "--supervised"])
                .args(&args.run)
                // Closed when this process is gone, killed or not; the child ends then.
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                // A group of its own: a terminal's Ctrl-C comes to it once, through this process.
                .process_group(0)
                .spawn()
                .map_err(|error| {
                    Failure::failed(format!("cannot start process {number}: {error}"))
                })?;
            complain(&format!("process {number} started, pid {}", child.id()));
            let voices = [
                child.stdout.take().map(|out| pass_on(number, out, std::io::stdout())),
                child.stderr.take().map(|err| pass_on(number, err, std::io::stderr())),
            ];
            let voices = voices.into_iter().flatten().collect();
            set.0.push(Process { number, child, status: None, voices });
        }
        Ok(set)
    }

    /// Waits for the end, in one of its ways.
    fn watch(mut self) -> Outcome {
        loop {
            let lost = self.look();
            if let Some(lost) = lost {
                self.end();
                // Told to end while it ended, or the others were lost because the first one was taken over.
                return match signals() > 0 || self.is_overtaken() {
                    true => Outcome::Ended(self.code()),
                    false => Outcome::Lost(lost),
                };
            }
            let gives_up = |process: &Process| matches!(process.code(), Some(2 | 5 | 130));
            if signals() > 0 || self.0.iter().any(gives_up) {
                self.end();
            }
            if self.0.iter().all(|process| process.status.is_some()) {
                return Outcome::Ended(self.code());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Notes who has ended; says in words who was lost.
    fn look(&mut self) -> Option<String> {
        let mut lost = None;
        for process in self.0.iter_mut().filter(|process| process.status.is_none()) {
            // An error would be that there is no such child, which there is until its status is read.
            process.status = process.child.try_wait().ok().flatten();
            let Some(status) = process.status else { continue };
            if !matches!(status.code(), Some(0 | 2 | 3 | 5 | 130)) {
                let how = match (status.code(), status.signal()) {
                    (Some(code), _) => format!("ended with code {code}"),
                    (None, signal) => format!("was killed by signal {}", signal.unwrap_or(0)),
                };
                lost.get_or_insert(format!("process {} {how}", process.number));
            }
        }
        lost
    }

    /// Tells all to end and waits for it; who does not, or when a second signal comes, is killed.
    fn end(&mut self) {
        self.signal(Signal::TERM);
        let until = now() + STOP_WAIT;
        let before = signals();
        loop {
            self.look();
            if self.0.iter().all(|process| process.status.is_some()) {
                return;
            }
            if now() >= until || signals() > before.max(1) {
                break;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        for process in self.0.iter_mut().filter(|process| process.status.is_none()) {
            complain(&format!("process {} does not end, and is killed", process.number));
            let _ = process.child.kill();
            process.status = process.child.wait().ok();
        }
    }

    fn signal(&self, signal: Signal) {
        for process in self.0.iter().filter(|process| process.status.is_none()) {
            // Its number is its own as long as its status was not read; that it has ended is no fault.
            if let Some(pid) = i32::try_from(process.child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, signal);
            }
        }
    }

    fn is_overtaken(&self) -> bool {
        self.0.iter().any(|process| process.code() == Some(i32::from(OVERTAKEN)))
    }

    /// Another run before wrong usage, that before an interruption, that before too much refused; one that was
    /// killed or lost was interrupted.
    fn code(&self) -> u8 {
        let codes: Vec<i32> = self.0.iter().map(|p| p.code().unwrap_or(130)).collect();
        let codes: Vec<i32> =
            codes.into_iter().map(|code| if matches!(code, 1 | 4) { 130 } else { code }).collect();
        let first = [5, 2, 130, 3].into_iter().find(|code| codes.contains(code));
        first.unwrap_or(0) as u8
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        self.end();
        let voices = self.0.iter_mut().flat_map(|process| process.voices.drain(..));
        voices.for_each(|voice| {
            // It only prints.
            let _ = voice.join();
        });
    }
}

impl Process {
    fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }
}

/// Passes lines on, each behind the number of its process.
fn pass_on(
    number: usize,
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut from).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
            if !read.is_ok_and(|bytes| bytes > 0) {
                return;
            }
            if line.last() != Some(&b'\n') {
                line.push(b'\n');
            }
            // A log line of JSON says its process itself.
            let prefix = if line.starts_with(b"{\"") { "" } else { &*format!("[{number}] ") };
            let prefixed = [prefix.as_bytes(), &line].concat();
            // A reader that went away is told nothing; the process must be read all the same.
            let _ = to.write_all(&prefixed).and_then(|()| to.flush());
        }
    })
}

fn signals() -> usize {
    SIGNALS.load(Ordering::SeqCst)
}

#[expect(clippy::disallowed_methods, reason = "waits are the supervisor's clock")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::of_this_machine;

    #[test]
    fn processes_of_this_machine_are_those_it_can_listen_at() {
        let list = |hosts: &[&str]| -> Vec<usize> {
            let hosts: Vec<String> = hosts.iter().map(|host| format!("{host}:2101")).collect();
            of_this_machine(&hosts)
        };
        assert_eq!(list(&[]), [0]);
        // The second is an address for documents, and nobody's.
        assert_eq!(list(&["localhost", "192.0.2.1", "127.0.0.1", "no-such-host.invalid"]), [0, 2]);
    }
}
