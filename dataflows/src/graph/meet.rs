//! How the processes of a run find one another: one connection for each pair.
//!
//! A process calls those numbered before it, again and again until they answer, and is called by those
//! after it; who calls says its number. Timely would do the same, but tells standard output so, which
//! belongs to the command, and waits without asking whether the run was stopped.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks for others.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long one call, or one that calls and does not say its number, may hold the others up.
const CALL_MAX: Duration = Duration::from_secs(1);

/// Connections to all processes but this one, by number; none when the run was stopped before all were there.
pub(crate) fn meet(
    addresses: &[String],
    process: usize,
    stop: &AtomicBool,
) -> io::Result<Option<Vec<Option<TcpStream>>>> {
    let listener = listen(&addresses[process])?;
    let mut met: Vec<Option<TcpStream>> = addresses.iter().map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        for (other, address) in addresses[..process].iter().enumerate() {
            if met[other].is_none() {
                // Whoever does not answer is not there yet.
                met[other] = call(address, process).ok();
            }
        }
        while let Some(stream) = accept(&listener)? {
            // One that says no such number is a stranger; one that calls again has begun anew.
            if let Ok((caller, stream)) = greet(stream)
                && (process + 1..addresses.len()).contains(&caller)
            {
                met[caller] = Some(stream);
            }
        }
        let missing = met.iter().enumerate().any(|(other, met)| other != process && met.is_none());
        if !missing {
            return Ok(Some(met));
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(None)
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    let listener = TcpListener::bind(address).map_err(named)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn call(address: &str, process: usize) -> io::Result<TcpStream> {
    let mut last = io::Error::from(ErrorKind::NotFound);
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, CALL_MAX) {
            Ok(mut stream) => {
                stream.set_nodelay(true)?;
                stream.write_all(&(process as u64).to_be_bytes())?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        // A caller that hung up is no failure of this process.
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hears the number of a caller.
fn greet(mut stream: TcpStream) -> io::Result<(usize, TcpStream)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(CALL_MAX))?;
    let mut number = [0; 8];
    stream.read_exact(&mut number)?;
    stream.set_read_timeout(None)?;
    let number = usize::try_from(u64::from_be_bytes(number)).unwrap_or(usize::MAX);
    Ok((number, stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(count: usize) -> Vec<String> {
        let ports: Vec<_> =
            (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        ports.iter().map(|port| port.local_addr().expect("bound").to_string()).collect()
    }

    #[test]
    fn all_meet_and_strangers_are_passed_over() {
        let (addresses, stop) = (addresses(3), AtomicBool::new(false));
        let meet_as = |process| meet(&addresses, process, &stop).unwrap().unwrap();
        let mut all: Vec<Vec<Option<TcpStream>>> = std::thread::scope(|scope| {
            let first = scope.spawn(|| meet_as(0));
            let stranger = |words: &[u8]| loop {
                if let Ok(mut stream) = TcpStream::connect(&addresses[0]) {
                    return stream.write_all(words).unwrap();
                }
            };
            stranger(b"GET / HTTP/1.1\r\n\r\n");
            stranger(&0u64.to_be_bytes());
            stranger(b"");
            let others = [1, 2].map(|process| scope.spawn(move || meet_as(process)));
            let all = [first].into_iter().chain(others);
            all.map(|thread| thread.join().unwrap()).collect()
        });
        // What one says to another is heard by that one from the first.
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
            let said = [from as u8, to as u8];
            all[from][to].as_mut().unwrap().write_all(&said).unwrap();
            let mut heard = [9, 9];
            all[to][from].as_mut().unwrap().read_exact(&mut heard).unwrap();
            assert_eq!(heard, said);
        }
        assert!((0..3).all(|process| all[process][process].is_none()));
    }

    #[test]
    fn a_stopped_run_waits_for_nobody() {
        let (addresses, stop) = (addresses(2), AtomicBool::new(true));
        assert!(meet(&addresses, 0, &stop).unwrap().is_none());
        assert!(meet(&addresses, 1, &stop).unwrap().is_none());
        let taken = TcpListener::bind(&addresses[0]).expect("the port is free again");
        let error = meet(&addresses, 0, &stop).unwrap_err().to_string();
        assert!(error.starts_with(&addresses[0]), "{error}");
        drop(taken);
    }
}
