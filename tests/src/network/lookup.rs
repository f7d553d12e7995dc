//! Shell. Whose a connection is: its socket by the kernel's socket diagnosis, which looks up one
//! socket without listing all, and then the process that has it open.

use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;

use anyhow::{Context, ensure};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::rules::Party;
use crate::process::{self, Process, SocketNumber};

/// A request by address family, as of linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
/// A socket in whatever state, and whichever cookie it has.
const ANY: u32 = u32::MAX;
/// Header, and what is asked: struct nlmsghdr and struct inet_diag_req_v2.
const REQUEST_BYTES: u32 = 72;
/// Where the number of the socket stands in the answer: nlmsghdr, then struct inet_diag_msg.
const NUMBER_AT: std::ops::Range<usize> = 84..88;
const ANSWER_BYTES_MAX: usize = 4_096;

/// Knows the processes of a cluster.
pub(super) struct Lookup {
    diagnosis: OwnedFd,
    supervisor: u32,
    children: Vec<Process>,
}

impl Lookup {
    pub(super) fn new() -> anyhow::Result<Self> {
        let diagnosis = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .context("no socket diagnosis")?;
        Ok(Self { diagnosis, supervisor: 0, children: Vec::new() })
    }

    /// Which process of the cluster has the connection between these addresses.
    pub(super) fn who(
        &mut self,
        supervisor: u32,
        local: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<Party> {
        let number = self.socket(local, remote).ok()?;
        if supervisor != self.supervisor {
            self.supervisor = supervisor;
            self.children.clear();
        }
        if process::has_socket(supervisor, number) {
            return Some(Party::Coordinator);
        }
        self.child(number).or_else(|| {
            // There may be new ones.
            self.children = process::children_of(supervisor);
            self.child(number)
        })
    }

    fn child(&self, number: SocketNumber) -> Option<Party> {
        self.children.iter().find(|child| process::has_socket(child.id, number)).and_then(party)
    }

    fn socket(&self, local: SocketAddrV4, remote: SocketAddrV4) -> anyhow::Result<SocketNumber> {
        let request = request(local, remote);
        send(&self.diagnosis, &request, SendFlags::empty()).context("ask for a socket")?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let (count, _) = recv(&self.diagnosis, &mut answer[..], RecvFlags::empty())?;
        let answer = answer.get(..count).unwrap_or_default();
        let kind = answer.get(4..6).context("a short answer")?;
        ensure!(kind == SOCK_DIAG_BY_FAMILY.to_ne_bytes(), "no such socket");
        let number = answer.get(NUMBER_AT).context("a short answer")?;
        Ok(u32::from_ne_bytes(number.try_into()?).into())
    }
}

fn request(local: SocketAddrV4, remote: SocketAddrV4) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(REQUEST_BYTES.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    // No sequence, and the kernel knows from whom it comes.
    bytes.extend([0; 8]);
    bytes.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    bytes.extend(ANY.to_ne_bytes());
    bytes.extend(local.port().to_be_bytes());
    bytes.extend(remote.port().to_be_bytes());
    for address in [local.ip(), remote.ip()] {
        // There is room for an address of version 6.
        bytes.extend(address.octets());
        bytes.extend([0; 12]);
    }
    // No interface.
    bytes.extend([0; 4]);
    bytes.extend(ANY.to_ne_bytes());
    bytes.extend(ANY.to_ne_bytes());
    bytes
}

fn party(process: &Process) -> Option<Party> {
    if process.is("router", "") {
        return Some(Party::Router);
    }
    process.is("node", "").then(|| process.option("--name").map(Party::Server)).flatten()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(address) => panic!("{address} is none of version 4"),
        }
    }

    #[test]
    fn a_connection_is_its_process_own() -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (local, remote) = (v4(client.local_addr()?), v4(client.peer_addr()?));
        let mut lookup = Lookup::new()?;
        let own = std::process::id();
        assert_eq!(lookup.who(own, local, remote), Some(Party::Coordinator));
        assert_eq!(lookup.who(1, local, remote), None);
        let nowhere = SocketAddrV4::new(*local.ip(), 1);
        assert_eq!(lookup.who(own, nowhere, remote), None);
        Ok(())
    }
}
