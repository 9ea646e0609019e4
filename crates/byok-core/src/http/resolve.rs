//! The look-up that lets only public addresses through.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::special_purpose;

/// The system's look-up, less the addresses with a special purpose.
pub(super) struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(public_only(found)?)
        })
    }
}

fn public_only(found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, AddressRefused> {
    let public: Vec<SocketAddr> = found
        .filter(|address| special_purpose(address.ip()).is_none())
        .collect();
    if public.is_empty() {
        return Err(AddressRefused);
    }
    Ok(Box::new(public.into_iter()))
}

/// A name that leads to special addresses only.
#[derive(Debug)]
pub(super) struct AddressRefused;

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a public address")
    }
}

impl StdError for AddressRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(addresses: &[&str]) -> Option<Vec<String>> {
        let found = addresses
            .iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 0));
        let public = public_only(found).ok()?;
        Some(public.map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn a_name_with_public_and_private_addresses_leads_to_the_public_ones_only() {
        assert_eq!(
            resolve(&["127.0.0.1", "8.8.8.8", "::ffff:10.0.0.1", "2606:4700::1111"]),
            Some(vec!["8.8.8.8".to_owned(), "2606:4700::1111".to_owned()])
        );
    }

    #[test]
    fn a_name_with_special_addresses_only_is_refused() {
        assert_eq!(resolve(&["::ffff:127.0.0.1"]), None);
        assert_eq!(resolve(&["64:ff9b::169.254.169.254", "fd00::1"]), None);
        assert_eq!(resolve(&["2002:7f00:1::1"]), None);
        assert_eq!(resolve(&["100.64.0.1", "0.0.0.0"]), None);
    }
}
