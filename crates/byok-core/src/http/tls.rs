//! TLS: rustls with ring, trusting what the system trusts, offering HTTP/2 before HTTP/1.1. The
//! crypto provider is passed along, never installed for the process, which may hold other rustls
//! users.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use crate::error::{Code, Error, Result};

/// # Errors
/// `INVALID_ARGUMENT` for extra roots that are not certificates.
pub(super) fn config(extra_roots_pem: Option<&str>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra_roots = extra_roots_pem.map_or_else(|| Ok(Vec::new()), parse)?;
    // Slim container images come without any root certificates: Mozilla's list stands in, as Node's
    // own copy of it does for Node.
    let verifier = Verifier::new_with_extra_roots(extra_roots.clone(), provider.clone())
        .or_else(|_| {
            let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
            Verifier::new_with_extra_roots(extra_roots.into_iter().chain(bundled), provider.clone())
        })
        .map_err(|_| Error::invalid_argument("The extra root certificates can't be used."))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::new(Code::Internal, "TLS could not be set up."))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn parse(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let roots = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<std::result::Result<Vec<_>, _>>()
        .unwrap_or_default();
    if roots.is_empty() {
        return Err(Error::invalid_argument(
            "The extra root certificates are not PEM certificates.",
        ));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_roots_that_are_no_certificates_are_refused() {
        for bad in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            let error = config(Some(bad)).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{bad}");
        }
    }
}
