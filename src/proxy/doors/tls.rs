//! The listener's certificate, replaceable while connections run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use pingora_core::listeners::tls::Acceptor;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Certificate and key read from two files; [`Certificate::reload`] reads them again.
#[derive(Debug)]
pub struct Certificate {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl Certificate {
    /// # Errors
    /// What is wrong with the files, naming them.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let current = ArcSwap::from_pointee(read(chain, key)?);
        Ok(Arc::new(Certificate { chain: chain.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads the files again. New connections get the new certificate; on an error the old one stays.
    ///
    /// # Errors
    /// What is wrong with the files, naming them.
    pub fn reload(&self) -> Result<(), String> {
        self.current.store(Arc::new(read(&self.chain, &self.key)?));
        Ok(())
    }

    /// Accepts TLS with this certificate, offering HTTP/2 when asked to.
    pub fn acceptor(self: &Arc<Self>, http2: bool) -> Acceptor {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Resolver(Arc::clone(self))));
        config.alpn_protocols =
            if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
        Acceptor::from_server_config(Arc::new(config))
    }
}

#[derive(Debug)]
struct Resolver(Arc<Certificate>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current.load_full())
    }
}

fn read(chain: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let text = std::fs::read(chain).map_err(|error| format!("{}: {error}", chain.display()))?;
    let certificates = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{}: {error}", chain.display()))?;
    let key_text = std::fs::read(key).map_err(|error| format!("{}: {error}", key.display()))?;
    let secret =
        PrivateKeyDer::from_pem_slice(&key_text).map_err(|error| format!("{}: {error}", key.display()))?;
    CertifiedKey::from_der(certificates, secret, &rustls::crypto::ring::default_provider())
        .map_err(|error| format!("{} and {}: {error}", chain.display(), key.display()))
}
