//! What a presented chain matches: TLSA records, a certificate authority, a name. Nothing here knows a policy.

use crate::base::address::Domain;
use crate::base::der::element;
use crate::base::der::issuer;
use crate::base::der::key_info;
use crate::base::dns::Tlsa;
use crate::base::time::Time;
use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::Der;
use rustls::pki_types::ServerName;
use rustls::pki_types::TrustAnchor;
use rustls::pki_types::UnixTime;
use std::time::Duration;
use webpki::ALL_VERIFICATION_ALGS;
use webpki::EndEntityCert;
use webpki::KeyUsage;
use webpki::anchor_from_trusted_cert;

const SEQUENCE: u8 = 0x30;

/// A usable record matches: DANE-EE by itself, without name and dates (RFC 7671 §5.1); DANE-TA by a chain to what it
/// names, for one of `names` (RFC 7671 §5.2, RFC 7672 §3.1.2).
pub(super) fn matches_dane(chain: &[Vec<u8>], records: &[Tlsa], names: &[&Domain], now: Time) -> bool {
    let Some((own, others)) = chain.split_first() else { return false };
    records.iter().any(|record| match record.usage {
        3 => selected(own, record.selector).is_some_and(|selected| matches(record, selected)),
        2 => {
            let anchor = |certificate: &&Vec<u8>| {
                selected(certificate, record.selector).is_some_and(|selected| matches(record, selected))
            };
            others.iter().filter(anchor).any(|anchor| vouches(anchor, chain, names, now))
                || in_dns_only(record, chain, names, now)
        }
        _ => false,
    })
}

/// RFC 7671 §5.2.3, §5.2.2: the anchor itself, whole or as its key, is in DNS and need not be presented.
fn in_dns_only(record: &Tlsa, chain: &[Vec<u8>], names: &[&Domain], now: Time) -> bool {
    match (record.selector, record.matching) {
        (0, 0) => vouches(&record.data, chain, names, now),
        (1, 0) => {
            let Some((key, &[])) = element(&record.data, SEQUENCE) else { return false };
            // Whoever issued one of them may be the one with this key.
            chain.iter().filter_map(|certificate| issuer(certificate)).any(|subject| {
                let anchor = TrustAnchor {
                    subject: Der::from_slice(subject),
                    subject_public_key_info: Der::from_slice(key),
                    name_constraints: None,
                };
                leads_to(&[anchor], chain, names, now)
            })
        }
        _ => false,
    }
}

/// An authority of the Web vouches for the certificate and this name (RFC 8461 §4.2).
pub(super) fn trusted(roots: &[TrustAnchor<'_>], chain: &[Vec<u8>], name: &Domain, now: Time) -> bool {
    leads_to(roots, chain, &[name], now)
}

/// The chain leads to this certificate, for one of `names`, and all dates are good.
pub(super) fn vouches(anchor: &[u8], chain: &[Vec<u8>], names: &[&Domain], now: Time) -> bool {
    let anchor = CertificateDer::from(anchor);
    anchor_from_trusted_cert(&anchor).is_ok_and(|anchor| leads_to(&[anchor], chain, names, now))
}

fn leads_to(anchors: &[TrustAnchor<'_>], chain: &[Vec<u8>], names: &[&Domain], now: Time) -> bool {
    let Some((own, others)) = chain.split_first() else { return false };
    let own = CertificateDer::from(own.as_slice());
    let Ok(own) = EndEntityCert::try_from(&own) else { return false };
    let others: Vec<CertificateDer<'_>> =
        others.iter().map(|certificate| CertificateDer::from(certificate.as_slice())).collect();
    let Ok(seconds) = u64::try_from(now.0) else { return false };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    let named = |name: &&Domain| {
        ServerName::try_from(name.as_str())
            .is_ok_and(|name| own.verify_is_valid_for_subject_name(&name).is_ok())
    };
    names.iter().any(named)
        && own
            .verify_for_usage(
                ALL_VERIFICATION_ALGS,
                anchors,
                &others,
                now,
                KeyUsage::server_auth(),
                None,
                None,
            )
            .is_ok()
}

/// The part of a certificate that a selector means (RFC 6698 §2.1.2).
fn selected(certificate: &[u8], selector: u8) -> Option<&[u8]> {
    match selector {
        0 => Some(certificate),
        1 => key_info(certificate),
        _ => None,
    }
}

/// RFC 6698 §2.1.3.
fn matches(record: &Tlsa, selected: &[u8]) -> bool {
    match record.matching {
        0 => record.data == selected,
        1 => record.data == digest::digest(&digest::SHA256, selected).as_ref(),
        2 => record.data == digest::digest(&digest::SHA512, selected).as_ref(),
        _ => false,
    }
}

/// SHA-256, as people compare it: `ab:cd:…`.
pub(super) fn fingerprint(octets: &[u8]) -> String {
    let octets: Vec<String> =
        digest::digest(&digest::SHA256, octets).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(":")
}
