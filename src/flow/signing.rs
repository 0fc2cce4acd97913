//! DKIM keys of our domains.
//!
//! Every domain and alias domain has an RSA 2048 and an Ed25519 key, made at the first start. A message carries a
//! signature of each: the second is shorter and stronger, the first is what everybody can check (RFC 8463 §3).

use crate::base::address::Domain;
use crate::base::secret::Secret;
use crate::base::time::Time;
use crate::config::Config;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::store::Store;
use crate::store::command::Command;
use crate::store::error::StoreError;
use crate::store::record::SigningAlgorithm;
use crate::store::record::SigningKey;
use crate::threads;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::encoding::Pkcs8V1Der;
use aws_lc_rs::encoding::PublicKeyX509Der;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_rs::signature::KeyPair;
use data_encoding::BASE64;
use thiserror::Error;

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum SigningError {
    /// The library could not make one.
    #[error("a signing key could not be made")]
    Make,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes what keys are missing for the domains and alias domains of `config`; answers how many.
pub async fn make_missing_keys(store: &dyn Store, config: &Config, now: Time) -> Result<usize, SigningError> {
    let mut made = Vec::new();
    for domain in signing_domains(config) {
        let keys = store.signing_keys(&domain).await?;
        for algorithm in [SigningAlgorithm::Rsa, SigningAlgorithm::Ed25519] {
            if keys.iter().any(|key| key.algorithm == algorithm) {
                continue;
            }
            let domain = domain.clone();
            let key = threads::blocking(move || make_key(domain, algorithm, now)).await;
            made.push(Command::PutSigningKey(Box::new(key.map_err(|_| SigningError::Make)??)));
        }
    }
    let count = made.len();
    if count > 0 {
        store.commit(made).await?;
        tracing::info!(count, "signing keys made; see \"guardpost dns\"");
    }
    Ok(count)
}

/// The domains whose mail we sign, in the order of guard.toml.
pub(in crate::flow) fn signing_domains(config: &Config) -> Vec<Domain> {
    let domains = config.domains.iter();
    domains
        .flat_map(|section| [Some(section.name.clone()), section.secure_alias_domain.clone()])
        .flatten()
        .collect()
}

fn make_key(domain: Domain, algorithm: SigningAlgorithm, now: Time) -> Result<SigningKey, SigningError> {
    let failed = |_| SigningError::Make;
    let (private, public) = match algorithm {
        SigningAlgorithm::Rsa => {
            let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?;
            let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(failed)?;
            let public = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).map_err(failed)?;
            (private.as_ref().to_vec(), public.as_ref().to_vec())
        }
        SigningAlgorithm::Ed25519 => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let private = pair.to_pkcs8v1().map_err(failed)?;
            (private.as_ref().to_vec(), pair.public_key().as_ref().to_vec())
        }
    };
    let selector = selector(algorithm, now);
    Ok(SigningKey { domain, selector, algorithm, private: Secret::new(private), public, created: now })
}

/// `gpr202611` for RSA, `gpe202611` for Ed25519: the month in which the key was made.
fn selector(algorithm: SigningAlgorithm, now: Time) -> String {
    let kind = match algorithm {
        SigningAlgorithm::Rsa => 'r',
        SigningAlgorithm::Ed25519 => 'e',
    };
    format!("gp{kind}{}", now.timestamp().strftime("%Y%m"))
}

/// RFC 6376 §3.6.1, RFC 8463 §4.2.
pub(in crate::flow) fn key_record(key: &SigningKey) -> String {
    let kind = match key.algorithm {
        SigningAlgorithm::Rsa => "rsa",
        SigningAlgorithm::Ed25519 => "ed25519",
    };
    format!("v=DKIM1; k={kind}; p={}", BASE64.encode(&key.public))
}

/// The domain that signed in front of everything else, and how many octets its signatures take.
pub(in crate::flow) fn own_signatures(header: &Header) -> Option<(Domain, u64)> {
    let domain = signer_of(header.fields().first()?)?;
    let own = header.fields().iter().take_while(|field| signer_of(field).as_ref() == Some(&domain));
    let length = own.map(|field| field.bytes().len() as u64).sum();
    Some((domain, length))
}

/// d= of a signature (RFC 6376 §3.5).
fn signer_of(field: &Field) -> Option<Domain> {
    let value = field.is("dkim-signature").then(|| field.unfolded())?;
    let domain = value.split(';').find_map(|tag| tag.trim().strip_prefix("d="))?;
    Domain::parse(domain.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_795_318_393);

    #[test]
    fn keys_are_of_their_kind() {
        for (algorithm, selector, public) in
            [(SigningAlgorithm::Rsa, "gpr202611", 294), (SigningAlgorithm::Ed25519, "gpe202611", 32)]
        {
            let key = make_key(Domain::parse("a.example").unwrap(), algorithm, NOW).unwrap();
            assert_eq!((key.selector.as_str(), key.public.len()), (selector, public));
            let line = key_record(&key);
            assert!(line.starts_with("v=DKIM1; k="), "{line}");
            let (_, public) = line.split_once("p=").unwrap();
            let public = BASE64.decode(public.as_bytes()).unwrap();
            assert_eq!(public, key.public);
        }
    }

    #[test]
    fn own_signatures_are_those_in_front_of_one_domain() {
        let one = "DKIM-Signature: v=1; a=rsa-sha256;\r\n d=a.example; b=x\r\n";
        let other = one.replace("a.example", "b.example");
        let a = Domain::parse("a.example").unwrap();
        for (raw, want) in [
            (format!("{one}{one}From: x\r\n"), Some(2 * one.len())),
            (format!("{one}{other}{one}"), Some(one.len())),
            (format!("From: x\r\n{one}"), None),
            (one.replace("d=", "x="), None),
        ] {
            let found = own_signatures(&Header::parse(raw.as_bytes()));
            assert_eq!(found, want.map(|length| (a.clone(), length as u64)), "{raw}");
        }
    }
}
