//! An instance's own network: its loopback interface, and the names that its allow-list has there.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv, sendto,
        socket_with,
    },
};

use serde::{Deserialize, Serialize};

use crate::domain::{
    manifest::Network,
    network::{Endpoint, EndpointError},
};

/// The loopback interface has this number in every network (linux/net/net_namespace.h, `LOOPBACK_IFINDEX`).
const LOOPBACK: i32 = 1;

const RTM_NEWLINK: u16 = 16;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST_ACK: u16 = 1 | 4;
const IFF_UP: u32 = 1;

/// `struct nlmsghdr` and `struct ifinfomsg` (linux/netlink.h, linux/rtnetlink.h), each of 16 bytes.
const REQUEST: usize = 32;

/// The network of its own that a program gets, with nothing in it but its own loopback interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// Whether the interface is up.
    pub(crate) loopback: bool,
    /// Whether Berth connects to a port of it.
    pub(crate) listens: bool,
    /// What it may reach outside, through its door.
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Fence {
    /// What a service's `network` asks for; `None` for the host's network.
    ///
    /// # Errors
    /// The entry of the allow-list that is none; a validated manifest has none of those.
    pub(crate) fn of(network: &Network, listens: bool) -> Result<Option<Self>, EndpointError> {
        let own = |loopback, endpoints| Some(Self { loopback, listens, endpoints });
        Ok(match network {
            Network::Open => None,
            Network::None => own(listens, Vec::new()),
            Network::Loopback => own(true, Vec::new()),
            Network::AllowList(entries) => {
                own(true, entries.iter().map(|entry| entry.parse()).collect::<Result<_, _>>()?)
            }
        })
    }

    /// Whether anything goes in or out at all.
    pub(super) const fn needs_door(&self) -> bool {
        self.listens || !self.endpoints.is_empty()
    }

    /// What the stage that sets it up is told.
    pub(super) fn wall(&self) -> NetworkWall {
        NetworkWall { loopback: self.loopback, targets: targets(&self.endpoints) }
    }
}

/// A network of its own, as the stage that sets it up is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NetworkWall {
    /// Whether its loopback interface is brought up.
    pub(super) loopback: bool,
    /// Where connections for the outside are accepted.
    pub(super) targets: Vec<Target>,
}

impl NetworkWall {
    /// One line for a person: what stands.
    pub(super) fn describe(&self) -> String {
        match (self.loopback, self.targets.len()) {
            (false, _) => "a network of its own, no interface".to_owned(),
            (true, 0) => "a network of its own, loopback only".to_owned(),
            (true, 1) => "a network of its own, 1 target outside allowed".to_owned(),
            (true, count) => format!("a network of its own, {count} targets outside allowed"),
        }
    }

    /// Its `/etc/hosts`.
    pub(super) fn hosts(&self) -> String {
        hosts(&self.targets)
    }
}

/// One entry of an allow-list, as it looks from behind the door.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Target {
    /// Its host's name.
    pub(super) host: String,
    /// Where the name leads to.
    pub(super) at: SocketAddrV4,
}

/// Brings the loopback interface of this process's network up.
///
/// # Errors
/// What the kernel says, for one that the process does not own the network.
pub(super) fn raise_loopback() -> io::Result<()> {
    // The default protocol of this family, 0, is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
    request[6..8].copy_from_slice(&NLM_F_REQUEST_ACK.to_ne_bytes());
    request[20..24].copy_from_slice(&LOOPBACK.to_ne_bytes());
    request[24..28].copy_from_slice(&IFF_UP.to_ne_bytes());
    request[28..].copy_from_slice(&IFF_UP.to_ne_bytes());
    sendto(&socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 128];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    acknowledged(&answer[..length])
}

/// `struct nlmsgerr` after its header: a negative error number, 0 for success.
fn acknowledged(answer: &[u8]) -> io::Result<()> {
    let field = |at: usize| answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match (kind, field(16).map(i32::from_ne_bytes)) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(error)) => Err(Errno::from_raw_os_error(error.saturating_neg()).into()),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Each endpoint with the address that its host's name has in the instance's own network: 127.77.0.1 and up.
pub(super) fn targets<'a>(endpoints: &'a [Endpoint]) -> Vec<Target> {
    let mut hosts: Vec<&str> = Vec::new();
    let mut target = |endpoint: &'a Endpoint| {
        let known = hosts.iter().position(|host| *host == endpoint.host());
        let index = known.unwrap_or_else(|| {
            hosts.push(endpoint.host());
            hosts.len() - 1
        });
        let [.., high, low] = u32::try_from(index + 1).unwrap_or(u32::MAX).to_be_bytes();
        let at = SocketAddrV4::new(Ipv4Addr::new(127, 77, high, low), endpoint.port());
        Target { host: endpoint.host().to_owned(), at }
    };
    endpoints.iter().map(&mut target).collect()
}

/// The `/etc/hosts` of an instance that has a network of its own. No IPv6: a server that listens on
/// `localhost` is then where Berth looks for it.
pub(super) fn hosts(targets: &[Target]) -> String {
    let mut text = "127.0.0.1 localhost\n".to_owned();
    let names: BTreeMap<Ipv4Addr, &str> =
        targets.iter().map(|target| (*target.at.ip(), target.host.as_str())).collect();
    for (address, host) in names {
        let _ = writeln!(text, "{address} {host}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_address_for_all_its_ports() {
        let endpoints: Vec<Endpoint> =
            ["b.example:443", "a.example:80", "b.example:80"].iter().map(|text| text.parse().unwrap()).collect();
        let targets = targets(&endpoints);
        let at: Vec<String> = targets.iter().map(|target| target.at.to_string()).collect();
        assert_eq!(at, ["127.77.0.1:443", "127.77.0.2:80", "127.77.0.1:80"]);
        let hosts = hosts(&targets);
        assert_eq!(hosts, "127.0.0.1 localhost\n127.77.0.1 b.example\n127.77.0.2 a.example\n");
    }

    #[test]
    fn the_kernels_answer_is_read() {
        let mut answer = [0; 20];
        answer[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        acknowledged(&answer).unwrap();
        answer[16..].copy_from_slice(&(-1i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer).unwrap_err().raw_os_error(), Some(1));
        assert!(acknowledged(&answer[..10]).is_err());
    }
}
