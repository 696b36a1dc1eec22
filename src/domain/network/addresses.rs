//! Which addresses are the public internet.
//!
//! The tables follow the IANA registries of special-purpose addresses (RFC 6890 and its updates).
//! Of IPv6 only what is given out as global unicast (2000::/3) counts as public at all; forms that
//! carry an IPv4 address are judged by that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), length)
}

/// The first that contains an address names it.
const RESERVED_V4: [(Ipv4Net, &str); 18] = [
    (v4(169, 254, 169, 254, 32), "a cloud's metadata address"),
    (v4(168, 63, 129, 16, 32), "a cloud's metadata address"),
    (v4(100, 100, 100, 200, 32), "a cloud's metadata address"),
    (v4(0, 0, 0, 0, 8), "an address of this machine"),
    (v4(127, 0, 0, 0, 8), "an address of this machine"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(100, 64, 0, 0, 10), "a provider's private address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(192, 0, 0, 0, 24), "a protocol's own address"),
    (v4(192, 88, 99, 0, 24), "a protocol's own address"),
    (v4(192, 0, 2, 0, 24), "an address for documentation"),
    (v4(198, 51, 100, 0, 24), "an address for documentation"),
    (v4(203, 0, 113, 0, 24), "an address for documentation"),
    (v4(198, 18, 0, 0, 15), "an address for measurements"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];

/// Below 2000::/3 or notable outside of it. The first that contains an address names it.
const RESERVED_V6: [(Ipv6Net, &str); 11] = [
    (v6(0, 0, 0, 64), "an address of this machine"), // `::`, `::1` and the old IPv4-compatible form
    (v6(0xfd00, 0x0ec2, 0, 96), "a cloud's metadata address"),
    (v6(0xfc00, 0, 0, 7), "a private address"),
    (v6(0xfe80, 0, 0, 10), "a link-local address"),
    (v6(0xfec0, 0, 0, 10), "a private address"),
    (v6(0xff00, 0, 0, 8), "a multicast address"),
    (v6(0x64, 0xff9b, 1, 48), "a private address"),
    (v6(0x2001, 0, 0, 23), "a protocol's own address"), // Teredo among them
    (v6(0x2001, 0xdb8, 0, 32), "an address for documentation"),
    (v6(0x3fff, 0, 0, 20), "an address for documentation"),
    (v6(0x2002, 0, 0, 16), "a protocol's own address"), // 6to4
];

const GLOBAL_UNICAST: Ipv6Net = v6(0x2000, 0, 0, 3);
/// NAT64 (RFC 6052): the last 32 bits are the IPv4 address that is meant.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);

/// What `address` is, when it is not on the public internet.
#[must_use]
pub fn reserved(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => reserved_v6(address),
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<&'static str> {
    RESERVED_V4.iter().find(|(network, _)| network.contains(&address)).map(|(_, what)| *what)
}

fn reserved_v6(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return reserved_v4(mapped);
    }
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        return reserved_v4(Ipv4Addr::new(a, b, c, d));
    }
    let named = RESERVED_V6.iter().find(|(network, _)| network.contains(&address)).map(|(_, what)| *what);
    named.or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some("a reserved address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_named() {
        for (address, what) in [
            ("0.0.0.0", "machine"),
            ("0.1.2.3", "machine"),
            ("127.0.0.1", "machine"),
            ("127.255.255.254", "machine"),
            ("10.0.0.1", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.0.1", "private"),
            ("100.64.0.1", "provider"),
            ("100.127.255.255", "provider"),
            ("169.254.1.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("168.63.129.16", "metadata"),
            ("100.100.100.200", "metadata"),
            ("192.0.0.192", "protocol"),
            ("192.88.99.1", "protocol"),
            ("192.0.2.1", "documentation"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.9", "documentation"),
            ("198.19.255.255", "measurements"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "machine"),
            ("::1", "machine"),
            ("::127.0.0.1", "machine"),
            ("::8.8.8.8", "machine"),
            ("::ffff:127.0.0.1", "machine"),
            ("::ffff:10.1.2.3", "private"),
            ("::ffff:169.254.169.254", "metadata"),
            ("64:ff9b::a00:1", "private"),
            ("64:ff9b::7f00:1", "machine"),
            ("64:ff9b:1::1", "private"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fd00:ec2::254", "metadata"),
            ("fe80::1", "link-local"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
            ("2001::1", "protocol"),
            ("2001:db8::1", "documentation"),
            ("3fff::1", "documentation"),
            ("2002:7f00:1::", "protocol"),
            ("100::1", "reserved"),
            ("5f00::1", "reserved"),
            ("4000::1", "reserved"),
        ] {
            let named = reserved(address.parse().unwrap());
            assert!(named.is_some_and(|named| named.contains(what)), "{address}: {named:?}");
        }
    }

    #[test]
    fn what_is_public_is_not() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2606:4700::1111",
            "2a00:1450:4001::200e",
            "2001:4860:4860::8888",
        ] {
            assert_eq!(reserved(address.parse().unwrap()), None, "{address}");
        }
    }
}
