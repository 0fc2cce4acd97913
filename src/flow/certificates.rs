//! OpenPGP certificates of people outside: imported by an admin, used from then on.

use crate::base::address::Address;
use crate::flow::Flow;
use crate::flow::accounts::AdminError;
use crate::openpgp::import;
use crate::openpgp::import::ImportError;
use crate::store::PAGE;
use crate::store::command::Command;
use crate::store::command::Refusal;
use crate::store::error::StoreError;
use crate::store::record::Fingerprint;
use crate::store::record_stored::CertificateRecord;
use crate::threads;
use std::sync::Arc;

impl Flow {
    /// Imports a certificate for every outside address that its valid user IDs name.
    ///
    /// A changed certificate never takes the place of a known one by itself.
    pub async fn import_certificate(&self, file: Vec<u8>) -> Result<Vec<CertificateRecord>, AdminError> {
        let addresses = self.addresses_in(&file).await?;
        let mut records = Vec::with_capacity(addresses.len());
        for address in addresses {
            let imported = self.read_certificate(&address, file.clone()).await?;
            records.push(CertificateRecord {
                address: imported.address,
                fingerprint: Fingerprint(imported.fingerprint),
                certificate: imported.certificate,
                imported: self.clock.now(),
                chosen_by: None,
            });
        }
        let put = |record: &CertificateRecord| Command::PutCertificate {
            record: Box::new(record.clone()),
            replace: false,
        };
        match self.store.commit(records.iter().map(put).collect()).await {
            Err(StoreError::Refused { index, why: Refusal::AddressTaken }) => {
                let address = records.into_iter().nth(index).map(|record| record.address);
                Err(address.map_or(AdminError::Busy, AdminError::OtherCertificate))
            }
            result => {
                result?;
                tracing::info!(addresses = records.len(), "certificate imported");
                Ok(records)
            }
        }
    }

    /// Every certificate on file, in the order of addresses.
    pub async fn all_certificates(&self) -> Result<Vec<Arc<CertificateRecord>>, AdminError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.certificates(after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            all.extend(page.into_iter().map(|(_, record)| record));
        }
        all.sort_by_cached_key(|record| record.address.key());
        Ok(all)
    }

    /// The certificate of an address.
    pub async fn certificate_of(&self, address: &Address) -> Result<Arc<CertificateRecord>, AdminError> {
        let found = self.store.certificate(&address.key()).await?;
        found.ok_or_else(|| AdminError::Unknown(address.clone()))
    }

    /// Forgets the certificate of an address.
    pub async fn remove_certificate(&self, address: &Address) -> Result<(), AdminError> {
        self.certificate_of(address).await?;
        self.store.commit(vec![Command::RemoveCertificate { address: address.key() }]).await?;
        Ok(())
    }

    /// The addresses outside our domains that a file's valid user IDs name: one at least.
    async fn addresses_in(&self, file: &[u8]) -> Result<Vec<Address>, AdminError> {
        let (bytes, now) = (file.to_vec(), self.clock.now());
        let named = threads::blocking(move || {
            let certificate = import::certificate(&bytes)?;
            certificate.usable(now).map_err(ImportError::Unusable)?;
            Ok(certificate.addresses(now))
        });
        let named = named.await.map_err(AdminError::internal)?;
        let mut addresses = named.map_err(|why| AdminError::Certificate { why })?;
        let config = self.config();
        addresses.retain(|address| !config.is_local(address.domain()));
        if addresses.is_empty() { Err(AdminError::NobodyOutside) } else { Ok(addresses) }
    }
}
