//! Shell. Which ports are free.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use shell::rng::Rng;

use super::cluster_file::Ports;
use crate::bars::Console;
use crate::failure::Failure;

/// Ports of servers are drawn from here: above the well-known ones, and below those that
/// operating systems give to outgoing connections, which could take one while its server restarts.
const RANGE: std::ops::Range<u16> = 10_000..32_000;
const DRAWS_MAX: usize = 1_000;
/// How often to look again whether a port has become free.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A shorter wait is not worth a word.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// Whether nobody listens there.
pub(super) fn is_free(address: SocketAddr) -> io::Result<bool> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

/// A port that users were promised.
#[derive(Clone, Copy, Debug)]
pub(super) struct PublicPort {
    pub(super) address: SocketAddr,
    /// The option that changes it.
    pub(super) option: &'static str,
    /// Who else likes to have this port.
    pub(super) usual_owner: &'static str,
}

impl PublicPort {
    /// Makes sure that it is free, waiting for so long at most (for the last process of an earlier
    /// run to end).
    pub(super) fn demand(self, wait: Duration, console: &Console) -> Result<(), Failure> {
        let Self { address, option, usual_owner } = self;
        let (port, began) = (address.port(), Instant::now());
        let mut told = false;
        loop {
            match is_free(address) {
                Ok(true) => return Ok(()),
                Ok(false) if began.elapsed() < wait => {
                    if !told && began.elapsed() > TOLD_AFTER {
                        told = true;
                        console.say(&format!("port {port} is taken; waiting for an earlier run"));
                    }
                    std::thread::sleep(LOOK_EVERY);
                }
                Ok(false) => {
                    return Err(Failure::unavailable(format!(
                        "port {port} is taken: {usual_owner} may be using it \
                         (`ss -ltnp 'sport = :{port}'` or `lsof -i :{port}` tells); \
                         stop that, or take another port with {option}"
                    )));
                }
                Err(error) => {
                    return Err(Failure::unavailable(format!(
                        "cannot listen on {address}: {error}; see --bind and {option}"
                    )));
                }
            }
        }
    }
}

/// Waits until nobody listens on any of these loopback ports, for so long at most.
pub(super) fn settle(ports: &[u16], wait: Duration) {
    let began = Instant::now();
    let taken = |port: &u16| {
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), *port);
        *port != 0 && !is_free(address).unwrap_or(true)
    };
    while ports.iter().any(taken) && began.elapsed() < wait {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The ports as they are where all of them are free and not `taken` by plan, else other ones.
pub(super) fn choose(stored: Ports, taken: &[u16], rng: &dyn Rng) -> Result<Ports, Failure> {
    let free = |port: u16| port != 0 && !taken.contains(&port) && is_free_here(port);
    if stored.all().into_iter().all(free) {
        return Ok(stored);
    }
    let [resp, http, peer] = draw_free(free, rng)?;
    Ok(Ports { resp, http, peer })
}

/// So many different ports of the loopback address on which nobody listens.
pub(crate) fn free_ports<const N: usize>(rng: &dyn Rng) -> Result<[u16; N], Failure> {
    draw_free(is_free_here, rng)
}

fn is_free_here(port: u16) -> bool {
    is_free(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).unwrap_or(false)
}

fn draw_free<const N: usize>(
    free: impl Fn(u16) -> bool,
    rng: &dyn Rng,
) -> Result<[u16; N], Failure> {
    let mut chosen = Vec::with_capacity(N);
    for _ in 0..DRAWS_MAX {
        let port = draw(rng);
        if !chosen.contains(&port) && free(port) {
            chosen.push(port);
        }
        if let Ok(ports) = chosen[..].try_into() {
            return Ok(ports);
        }
    }
    Err(Failure::unavailable(format!(
        "no {N} free ports between {} and {} on the loopback address",
        RANGE.start, RANGE.end
    )))
}

fn draw(rng: &dyn Rng) -> u16 {
    let span = u64::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(rng.next_u64() % span).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::time::Duration;

    use shell::rng::OsRng;

    use super::{PublicPort, RANGE, choose};
    use crate::bars::Console;
    use crate::local::cluster_file::Ports;

    #[test]
    fn a_taken_port_is_named_with_the_option_that_changes_it() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = holder.local_addr().expect("bound");
        let port = address.port();
        let public = PublicPort { address, option: "--resp-port", usual_owner: "a Redis server" };
        let look = || public.demand(Duration::ZERO, &Console::new());
        let error = look().expect_err("taken");
        assert_eq!(error.code(), shell::exit::UNAVAILABLE);
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("--resp-port"), "{text}");
        assert!(text.contains("a Redis server"), "{text}");
        drop(holder);
        look().expect("free again");
    }

    #[test]
    fn ports_that_are_taken_are_replaced() {
        let first = choose(Ports::default(), &[], &OsRng).expect("free ports");
        for port in first.all() {
            assert!(RANGE.contains(&port));
        }
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let taken = Ports { peer: holder.local_addr().expect("bound").port(), ..first };
        let other = choose(taken, &first.all(), &OsRng).expect("free ports");
        assert!(other.all().iter().all(|port| !taken.all().contains(port)), "{other:?}");
        let planned = choose(first, &[first.http], &OsRng).expect("free ports");
        assert!(!planned.all().contains(&first.http), "{planned:?}");
    }
}
