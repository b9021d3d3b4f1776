//! Addresses, headers and certificates: what the types alone cannot refuse in a provider key.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ProviderKey, RequestRules, TlsRules};
use crate::document::{Fault, header};
use crate::resources::rules::Rules;
use crate::resources::{address, values};

impl ProviderKey {
    /// Everything that is wrong with the row by itself.
    pub(super) fn own_faults(&self) -> Vec<Fault> {
        let mut rules = Rules::default();
        rules.try_at("api_key", self.sendable());
        rules.try_at("api_base", self.api_base.as_deref().map_or(Ok(()), web_root));
        for (index, replica) in self.replicas.iter().enumerate() {
            rules.try_at(format!("replicas[{index}]"), web_root(replica));
        }
        let alone = self.replicas.is_empty() || self.api_base.is_none();
        rules.check(alone, "replicas", "cannot stand beside api_base: list it among them");
        if let Some(fleet) = &self.fleet {
            fleet.check(&mut rules, self);
        }
        for (index, name) in self.strip_headers.iter().enumerate() {
            rules.check(header::is_name(name), format!("strip_headers[{index}]"), NOT_A_NAME);
        }
        request(&mut rules, &self.request);
        let path = self.response.reasoning_field.as_deref().unwrap_or(REASONING_ROOT);
        rules.check(
            path.starts_with(REASONING_ROOT),
            "response.reasoning_field",
            "must start with \"delta.\"",
        );
        tls(&mut rules, &self.tls);
        rules.faults()
    }

    /// A plain key goes into a header as it is; a JSON document is taken apart before.
    fn sendable(&self) -> Result<(), &'static str> {
        let secret = self.secret.expose();
        if secret.trim_start().starts_with('{') { Ok(()) } else { values::sendable(secret) }
    }
}

fn request(rules: &mut Rules, request: &RequestRules) {
    for (from, to) in &request.param_renames {
        let path = format!("request.param_renames.{from}");
        rules.check(!from.is_empty() && !to.is_empty(), path, "must have a name on both sides");
    }
    let bounds = request.param_constraints;
    if let (Some(least), Some(most)) = (bounds.temperature_min, bounds.temperature_max) {
        let path = "request.param_constraints.temperature_min";
        rules.check(least <= most, path, "must not be larger than temperature_max");
    }
    for (name, value) in &request.default_headers {
        let path = format!("request.default_headers.{name}");
        rules.check(header::is_name(name), &path, NOT_A_NAME);
        rules.check(
            !header::is_reserved(&name.to_ascii_lowercase()),
            &path,
            "is reserved and cannot be set here",
        );
        rules.check(!value.contains(['\r', '\n', '\0']), &path, "must not contain line ends or NUL");
    }
}

fn tls(rules: &mut Rules, tls: &TlsRules) {
    if let Some(pem) = &tls.ca_cert {
        rules.check(are_certificates(pem), "tls.ca_cert", NOT_CERTIFICATES);
    }
    let pair = tls.client_cert.is_some() == tls.client_key.is_some();
    rules.check(pair, "tls", "client_cert and client_key must come together");
    if let Some(pem) = &tls.client_cert {
        rules.check(are_certificates(pem), "tls.client_cert", NOT_CERTIFICATES);
    }
    if let Some(key) = &tls.client_key {
        let readable = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).is_ok();
        rules.check(readable, "tls.client_key", "must be a private key in PEM");
    }
}

/// Why a text is not the root of an API. The text itself is not repeated: it may hold a password.
fn web_root(text: &str) -> Result<(), &'static str> {
    address::web(text)?;
    if text.contains(['?', '#']) {
        return Err("must not contain a query or fragment");
    }
    Ok(())
}

/// At least one certificate, and each one an X.509 structure. Checked by the parser the connector uses,
/// which takes it for granted that a certificate can be parsed.
fn are_certificates(pem: &str) -> bool {
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let parsed = certificate.is_ok_and(|der| X509Certificate::from_der(&der).is_ok());
        if !parsed {
            return false;
        }
        count += 1;
    }
    count > 0
}

const REASONING_ROOT: &str = "delta.";
const NOT_A_NAME: &str = "is not a header name";
const NOT_CERTIFICATES: &str = "must be one or more certificates in PEM";
