//! The authorities of the Web that this machine trusts: the system's ca-certificates.

use crate::net::error::NetError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::TrustAnchor;
use std::fmt;
use std::sync::Arc;
use std::sync::OnceLock;

/// The authorities; read at the first use, and kept until the next start.
#[derive(Clone, Default)]
pub struct Roots(Arc<OnceLock<Arc<RootCertStore>>>);

impl Roots {
    /// These alone, DER.
    pub fn of(certificates: &[Vec<u8>]) -> Result<Self, NetError> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(CertificateDer::from(certificate.as_slice())).map_err(NetError::Configuration)?;
        }
        Ok(Self(Arc::new(OnceLock::from(Arc::new(store)))))
    }

    /// What policies compare with.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.read().roots
    }

    /// What handshakes compare with.
    pub(super) fn store(&self) -> Arc<RootCertStore> {
        Arc::clone(self.read())
    }

    fn read(&self) -> &Arc<RootCertStore> {
        self.0.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            let mut store = RootCertStore::empty();
            let (added, odd) = store.add_parsable_certificates(found.certs);
            for why in &found.errors {
                tracing::warn!(%why, "authorities of the web cannot be read whole");
            }
            if added == 0 {
                tracing::error!("no authority of the web is known here: install ca-certificates");
            }
            tracing::debug!(added, odd, "authorities of the web read");
            Arc::new(store)
        })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({:?})", self.0.get().map(|store| store.len()))
    }
}
