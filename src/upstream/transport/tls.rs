//! Whom we trust and who we are towards one upstream.
//!
//! The pool of connections does not look at custom trust roots, so an identity carries a fingerprint that
//! becomes part of the pool key: a connection verified against one set of roots is never handed to an
//! endpoint that trusts another.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pingora_core::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::{Error, Kind, Result};
use crate::resources::ProviderKey;

/// Trust roots, client certificate and verification of an endpoint.
#[derive(Clone)]
pub struct TlsIdentity {
    /// None trusts the platform's roots.
    pub roots: Option<Arc<[WrappedX509]>>,
    pub client: Option<Arc<CertKey>>,
    pub verify: bool,
    /// Differs whenever any of the above differs.
    pub fingerprint: u64,
}

impl Default for TlsIdentity {
    fn default() -> Self {
        TlsIdentity { roots: None, client: None, verify: true, fingerprint: 0 }
    }
}

impl TlsIdentity {
    /// From PEM texts. `roots` replaces the platform's roots.
    ///
    /// # Errors
    /// What is wrong with the material, in words for the operator.
    pub fn new(roots: Option<&[u8]>, client: Option<(&[u8], &[u8])>, verify: bool) -> Result<Self, String> {
        let mut hasher = DefaultHasher::new();
        verify.hash(&mut hasher);
        let roots = roots.map(|pem| certificates(pem, &mut hasher)).transpose()?;
        let client = client.map(|(chain, key)| client_identity(chain, key, &mut hasher)).transpose()?;
        let plain = roots.is_none() && client.is_none() && verify;
        let fingerprint = if plain { 0 } else { hasher.finish() };
        Ok(TlsIdentity {
            roots: roots.map(|roots| roots.into_iter().map(wrap).collect()),
            client: client.map(Arc::new),
            verify,
            fingerprint,
        })
    }

    /// The identity for one provider key: its own material where it has some, else this one.
    ///
    /// # Errors
    /// Material that the loader of resources let pass and TLS does not take.
    pub fn for_key(&self, key: &ProviderKey) -> Result<Self> {
        let rules = &key.tls;
        if rules.ca_cert.is_none() && rules.client_cert.is_none() && rules.verify {
            return Ok(self.clone());
        }
        let client = match (&rules.client_cert, &rules.client_key) {
            (Some(chain), Some(key)) => Some((chain.as_bytes(), key.expose().as_bytes())),
            _ => None,
        };
        let mut own = TlsIdentity::new(rules.ca_cert.as_ref().map(String::as_bytes), client, rules.verify)
            .map_err(|cause| {
                Error::new(Kind::NoProvider, "the TLS material of this model's provider key is unusable")
                    .because(cause)
            })?;
        own.roots = own.roots.or_else(|| self.roots.clone());
        own.client = own.client.or_else(|| self.client.clone());
        own.fingerprint ^= self.fingerprint.rotate_left(1);
        Ok(own)
    }
}

fn certificates(pem: &[u8], hasher: &mut DefaultHasher) -> Result<Vec<Vec<u8>>, String> {
    let mut found = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let der = certificate.map_err(|error| format!("not a PEM certificate: {error}"))?.to_vec();
        let parsed = rustls::RootCertStore::empty().add(CertificateDer::from(der.clone()));
        parsed.map_err(|error| format!("not an X.509 certificate: {error}"))?;
        der.hash(hasher);
        found.push(der);
    }
    if found.is_empty() { Err("no certificate in the PEM text".into()) } else { Ok(found) }
}

fn client_identity(chain: &[u8], key: &[u8], hasher: &mut DefaultHasher) -> Result<CertKey, String> {
    let mut certificates = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(chain) {
        let der = certificate.map_err(|error| format!("not a PEM certificate: {error}"))?.to_vec();
        der.hash(hasher);
        certificates.push(der);
    }
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("not a PEM private key: {error}"))?;
    let chain = certificates.iter().cloned().map(CertificateDer::from).collect();
    let roots = rustls::RootCertStore::empty();
    rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key.clone_key())
        .map_err(|error| format!("certificate and key do not fit: {error}"))?;
    Ok(CertKey::new(certificates, key.secret_der().to_vec()))
}

fn wrap(der: Vec<u8>) -> WrappedX509 {
    WrappedX509::new(der, parse_x509)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn self_signed() -> (String, String) {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (signed.cert.pem(), signed.signing_key.serialize_pem())
    }

    #[test]
    fn different_trust_has_a_different_fingerprint() {
        let (one, _) = self_signed();
        let (other, _) = self_signed();
        let print = |roots: Option<&str>, verify| {
            TlsIdentity::new(roots.map(str::as_bytes), None, verify).expect("sound").fingerprint
        };
        let prints =
            [print(None, true), print(None, false), print(Some(&one), true), print(Some(&other), true)];
        let distinct: std::collections::HashSet<u64> = prints.into_iter().collect();
        assert_eq!(distinct.len(), prints.len());
        assert_eq!(print(Some(&one), true), print(Some(&one), true));
    }

    #[test]
    fn broken_material_is_an_error_and_never_a_panic() {
        crate::install_crypto();
        let (certificate, key) = self_signed();
        let (_, foreign_key) = self_signed();
        let bad_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for roots in ["", "nonsense", bad_der] {
            assert!(TlsIdentity::new(Some(roots.as_bytes()), None, true).is_err(), "{roots}");
        }
        let client = |key: &str| TlsIdentity::new(None, Some((certificate.as_bytes(), key.as_bytes())), true);
        assert!(client(&key).is_ok());
        assert!(client(&foreign_key).is_err());
        assert!(client("nonsense").is_err());
    }
}
