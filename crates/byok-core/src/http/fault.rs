//! What went wrong on the wire, in our codes. The texts of reqwest, hyper and rustls are looked
//! through by type and never quoted, since they may hold a URL or a server's words.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use url::Url;

use super::resolve::AddressRefused;
use crate::error::{Code, Error};

/// The error of a request that got no answer.
pub(super) fn unanswered(error: reqwest::Error, url: &Url, connect_timeout: Duration) -> Error {
    let error = error.without_url();
    let origin = origin(url);
    if find::<AddressRefused>(&error).is_some() {
        return refused(url);
    }
    if error.is_connect() && error.is_timeout() {
        return Error::new(
            Code::Timeout,
            format!(
                "Connecting to {origin} took longer than connectTimeoutMs ({}).",
                connect_timeout.as_millis()
            ),
        );
    }
    if let Some(error) = tls_error(&error) {
        return handshake(error, &origin);
    }
    if error.is_dns() {
        return unavailable(format!(
            "The name of {origin} could not be found. Check the base URL and the network."
        ));
    }
    if error.is_connect() {
        let reason = match find::<io::Error>(&error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => ": the connection was refused",
            Some(io::ErrorKind::ConnectionReset) => ": the connection was reset",
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                ": there is no way to it from here"
            }
            _ => "",
        };
        return unavailable(format!("Could not connect to {origin}{reason}."));
    }
    if error.is_builder() {
        return Error::invalid_argument("The request's URL or headers can't be sent.");
    }
    if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) {
        return Error::bad_response(format!(
            "{origin} answered with something that is not HTTP. Check the base URL."
        ));
    }
    unavailable(format!(
        "{origin} closed the connection before it had answered."
    ))
}

/// The error of a body that could not be read to its end.
pub(super) fn broken_body(error: reqwest::Error) -> Error {
    // A failed decompression is an I/O error of its own, with no HTTP error around or below it; one
    // that only misses its end is a cut-off.
    let undecodable = find::<hyper::Error>(&error).is_none()
        && find::<io::Error>(&error)
            .is_none_or(|error| error.kind() != io::ErrorKind::UnexpectedEof);
    if undecodable {
        return Error::bad_response(
            "The provider's answer is compressed in a way that can't be read.",
        );
    }
    Error::new(
        Code::StreamInterrupted,
        "The connection broke in the middle of the provider's answer. Send the request again.",
    )
}

/// The error of a redirect. Only the target's host is named: the rest may hold a secret.
pub(crate) fn redirected(status: u16, from: &Url, location: Option<&str>) -> Error {
    let target = location.and_then(|location| from.join(location).ok());
    let to = target.as_ref().and_then(Url::host_str).unwrap_or("nowhere");
    Error::new(
        Code::ProviderError,
        format!(
            "The provider answered with a redirect ({status}) to {}. Redirects are not followed, since they would carry the key along; check the base URL.",
            // A host name has at most 253 characters; the rest of a longer one is of no use.
            to.get(..253).unwrap_or(to)
        ),
    )
    .with_status(status)
}

/// The error of an origin that only the app's own network should reach.
pub(super) fn refused(url: &Url) -> Error {
    Error::invalid_argument(format!(
        "{} is not a public address, and a key may be sent only to those. Set allowPrivateNetwork for a provider in your own network.",
        origin(url)
    ))
}

pub(super) fn past_deadline() -> Error {
    Error::new(Code::Timeout, "The call took longer than timeoutMs allows.")
}

pub(super) fn silent(idle: Duration) -> Error {
    Error::new(
        Code::Timeout,
        format!(
            "The provider sent nothing for longer than idleTimeoutMs ({}) in the middle of its answer.",
            idle.as_millis()
        ),
    )
}

pub(super) fn too_large(limit: usize) -> Error {
    Error::bad_response(format!(
        "The provider's answer is larger than maxResponseBytes ({limit}). The connection was closed."
    ))
}

pub(super) fn unknown_encoding() -> Error {
    Error::bad_response("The provider's answer is in an encoding that was not asked for.")
}

fn handshake(error: &rustls::Error, origin: &str) -> Error {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return unavailable(format!("The TLS handshake with {origin} failed."));
    };
    let reason = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name"
        }
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownIssuer => "its issuer is not trusted by this system",
        _ => "it is not valid",
    };
    unavailable(format!(
        "The certificate of {origin} was not accepted: {reason}."
    ))
    .with_retryable(false)
}

fn unavailable(message: String) -> Error {
    Error::new(Code::ProviderUnavailable, message)
}

/// Host, and the port where it is not the scheme's own.
fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The first error of a type in the chain of sources.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    chain(error).find_map(|error| error.downcast_ref())
}

fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    chain(error).find_map(|error| {
        // An I/O error hides the one that it was made from (often another I/O error): its source is
        // that one's source.
        let mut hidden = error;
        while let Some(inner) = hidden
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            hidden = inner;
        }
        hidden.downcast_ref()
    })
}

fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| {
        (*error).source()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_its_target_host_and_nothing_else_of_it() {
        let from = Url::parse("https://api.example.com/v1/chat").unwrap();
        let text = |location| redirected(302, &from, location).message().to_owned();
        let message = text(Some(
            "https://user:sk-1@evil.example:8443/steal?key=sk-2#sk-3",
        ));
        assert!(message.contains("to evil.example."), "{message}");
        assert!(!message.contains("sk-") && !message.contains("steal"));
        assert!(text(Some("/elsewhere?sk-2")).contains("to api.example.com."));
        assert!(text(None).contains("to nowhere"));
        assert!(text(Some("https://")).contains("to nowhere"));
        let long = format!("https://{}.example/", "a".repeat(5000));
        assert!(text(Some(&long)).len() < 500);
    }
}
