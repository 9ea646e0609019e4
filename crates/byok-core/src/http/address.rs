//! Which IP addresses are not the public internet. Pure; the tables follow the IANA special-purpose
//! registries (iana-ipv4-special-registry and iana-ipv6-special-registry, RFC 6890 and successors).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// First address, prefix length and what the block is for.
const IPV4: &[(Ipv4Addr, u32, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    // Azure's platform address: public by number, internal by use.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "cloud metadata"),
    // Holds the metadata address of most clouds, 169.254.169.254.
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "protocol assignments"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Exceptions within 2000::/3; whatever is outside of it is special in any case.
const IPV6: &[(Ipv6Addr, u32, &str)] = &[
    // Teredo, ORCHID, benchmarking and others.
    (
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),
        23,
        "protocol assignments",
    ),
    (
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0),
        32,
        "documentation",
    ),
    // Holds an IPv4 address; out of use since RFC 7526.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (
        Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0),
        20,
        "documentation",
    ),
];

/// What an address is for when it is not an ordinary public one; `None` for a public one. An
/// IPv4-mapped address is always special; a NAT64 one (64:ff9b::/96, RFC 6052) is what its IPv4 is.
///
/// ```
/// use byok_core::http::special_purpose;
/// assert_eq!(special_purpose("169.254.169.254".parse().unwrap()), Some("link-local"));
/// assert_eq!(special_purpose("8.8.8.8".parse().unwrap()), None);
/// ```
pub fn special_purpose(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => ipv4(address),
        IpAddr::V6(address) => ipv6(address),
    }
}

fn ipv4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    IPV4.iter()
        .find(|(first, length, _)| (bits ^ u32::from(*first)) >> (32 - length) == 0)
        .map(|(_, _, purpose)| *purpose)
}

fn ipv6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = segments {
        return ipv4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    }
    if segments[0] & 0xe000 != 0x2000 {
        return Some(outside_global_unicast(address));
    }
    let bits = u128::from(address);
    IPV6.iter()
        .find(|(first, length, _)| (bits ^ u128::from(*first)) >> (128 - length) == 0)
        .map(|(_, _, purpose)| *purpose)
}

fn outside_global_unicast(address: Ipv6Addr) -> &'static str {
    let segments = address.segments();
    if address.is_unspecified() {
        "unspecified"
    } else if address.is_loopback() {
        "loopback"
    } else if address.to_ipv4_mapped().is_some() {
        "IPv4-mapped"
    } else if segments[0] == 0x64 && segments[1] == 0xff9b {
        "local NAT64"
    } else if address.is_multicast() {
        "multicast"
    } else if segments[0] & 0xfe00 == 0xfc00 {
        "private"
    } else if segments[0] & 0xff80 == 0xfe80 {
        "link-local"
    } else {
        "reserved"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(text: &str) -> Option<&'static str> {
        special_purpose(text.parse().unwrap())
    }

    #[test]
    fn every_special_block_is_special_from_its_first_to_its_last_address() {
        for (ends, expected) in [
            ("0.0.0.0 0.255.255.255", "unspecified"),
            ("10.0.0.0 10.255.255.255", "private"),
            ("100.64.0.0 100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0 127.255.255.255", "loopback"),
            ("168.63.129.16 168.63.129.16", "cloud metadata"),
            ("169.254.0.0 169.254.255.255", "link-local"),
            ("172.16.0.0 172.31.255.255", "private"),
            ("192.0.0.0 192.0.0.255", "protocol assignments"),
            ("192.0.2.0 192.0.2.255", "documentation"),
            ("192.88.99.0 192.88.99.255", "6to4 relay"),
            ("192.168.0.0 192.168.255.255", "private"),
            ("198.18.0.0 198.19.255.255", "benchmarking"),
            ("198.51.100.0 198.51.100.255", "documentation"),
            ("203.0.113.0 203.0.113.255", "documentation"),
            ("224.0.0.0 239.255.255.255", "multicast"),
            ("240.0.0.0 255.255.255.255", "reserved"),
            (":: ::", "unspecified"),
            ("::1 ::1", "loopback"),
            ("::2 ::fffe:ffff:ffff", "reserved"),
            ("::ffff:0:0 ::ffff:ffff:ffff", "IPv4-mapped"),
            ("::ffff:8.8.8.8 ::ffff:8.8.8.8", "IPv4-mapped"),
            (
                "64:ff9b:1:: 64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
                "local NAT64",
            ),
            ("100:: 100::ffff:ffff:ffff:ffff", "reserved"),
            (
                "2001:: 2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                "protocol assignments",
            ),
            (
                "2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "documentation",
            ),
            ("2002:: 2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4"),
            (
                "3fff:: 3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                "documentation",
            ),
            ("5f00:: 5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved"),
            ("fc00:: fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private"),
            (
                "fe80:: febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "link-local",
            ),
            (
                "fec0:: feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "link-local",
            ),
            (
                "ff00:: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "multicast",
            ),
        ] {
            for end in ends.split(' ') {
                assert_eq!(purpose(end), Some(expected), "{end}");
            }
        }
    }

    #[test]
    fn the_neighbours_of_special_blocks_are_public() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700:4700::1111",
            "2a00:1450:4001:82b::200a",
            "3ffe::",
            "3fff:1000::",
        ] {
            assert_eq!(purpose(address), None, "{address}");
        }
    }

    #[test]
    fn a_nat64_address_is_what_the_ipv4_address_inside_is() {
        assert_eq!(purpose("64:ff9b::8.8.8.8"), None);
        assert_eq!(purpose("64:ff9b::127.0.0.1"), Some("loopback"));
        assert_eq!(purpose("64:ff9b::169.254.169.254"), Some("link-local"));
        assert_eq!(purpose("64:ff9b::10.0.0.1"), Some("private"));
    }

    #[test]
    fn the_metadata_addresses_of_the_clouds_are_special() {
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(purpose(address).is_some(), "{address}");
        }
    }
}
