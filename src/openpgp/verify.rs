//! A signature that stands beside what it signs (RFC 3156 §5, RFC 9580 §10.4), judged by certificates that are known
//! here. One that came along with the message vouches for nothing.

use crate::base::time::Time;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::system_time;
use sequoia_openpgp::Cert;
use sequoia_openpgp::KeyHandle;
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::parse::stream::DetachedVerifierBuilder;
use sequoia_openpgp::parse::stream::MessageLayer;
use sequoia_openpgp::parse::stream::MessageStructure;
use sequoia_openpgp::parse::stream::VerificationError;
use sequoia_openpgp::parse::stream::VerificationHelper;
use sequoia_openpgp::policy::StandardPolicy;
use std::io::Read;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

/// A signature that is longer is none, octets.
pub const SIGNATURE: usize = 64 << 10;
/// Signatures looked at; a real one has one, or one for each of two keys.
const SIGNATURES: usize = 8;

/// What a signature is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Made with a key of one of the certificates, over just this.
    Valid,
    /// Made with such a key over something else, or with one that may not sign any more.
    Bad,
    /// By somebody unknown, or in a way that is not understood.
    Unknown,
}

/// Judges the signature of `signed` at `now`. One valid signature is enough, unless a bad one stands beside it.
pub fn verify(
    signature: &[u8],
    signed: impl Read + Send + Sync,
    certificates: &[Certificate],
    now: Time,
) -> Verdict {
    if signature.len() > SIGNATURE {
        return Verdict::Unknown;
    }
    // The library ends with a panic where it meets what it thought impossible.
    let judged = catch_unwind(AssertUnwindSafe(|| judge(signature, signed, certificates, now)));
    judged.ok().flatten().unwrap_or(Verdict::Unknown)
}

fn judge(
    signature: &[u8],
    signed: impl Read + Send + Sync,
    certificates: &[Certificate],
    now: Time,
) -> Option<Verdict> {
    let time = system_time(now);
    let policy = StandardPolicy::at(time);
    let judge = Judge { certificates, verdict: None };
    let builder = DetachedVerifierBuilder::from_bytes(signature).ok()?;
    let mut verifier = builder.with_policy(&policy, time, judge).ok()?;
    let outcome = verifier.verify_reader(signed);
    let verdict = verifier.into_helper().verdict;
    outcome.ok().and(verdict)
}

struct Judge<'c> {
    certificates: &'c [Certificate],
    verdict: Option<Verdict>,
}

impl VerificationHelper for Judge<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> sequoia_openpgp::Result<Vec<Cert>> {
        Ok(self.certificates.iter().map(|certificate| certificate.cert().clone()).collect())
    }

    fn check(&mut self, structure: MessageStructure<'_>) -> sequoia_openpgp::Result<()> {
        let mut found = Vec::new();
        for layer in structure {
            let MessageLayer::SignatureGroup { results } = layer else { continue };
            found.extend(results.into_iter().take(SIGNATURES).map(|result| match result {
                Ok(_) => Verdict::Valid,
                Err(VerificationError::BadSignature { .. } | VerificationError::BadKey { .. }) => {
                    Verdict::Bad
                }
                Err(_) => Verdict::Unknown,
            }));
        }
        let worst = [Verdict::Bad, Verdict::Valid, Verdict::Unknown];
        self.verdict = worst.into_iter().find(|verdict| found.contains(verdict));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sequoia_openpgp::cert::CertBuilder;
    use sequoia_openpgp::policy::StandardPolicy;
    use sequoia_openpgp::serialize::stream::Armorer;
    use sequoia_openpgp::serialize::stream::Message;
    use sequoia_openpgp::serialize::stream::Signer;
    use std::io::Write;

    const NOW: Time = Time(1_795_338_720);

    fn key() -> Cert {
        let made = CertBuilder::general_purpose(Some("a@b.example"))
            .set_creation_time(system_time(Time(NOW.0 - 1_000_000)))
            .set_validity_period(std::time::Duration::from_secs(2_000_000));
        made.generate().unwrap().0
    }

    fn sign(key: &Cert, text: &[u8]) -> Vec<u8> {
        let policy = StandardPolicy::at(system_time(NOW));
        let pair = key
            .keys()
            .with_policy(&policy, system_time(NOW))
            .secret()
            .for_signing()
            .next()
            .unwrap()
            .key()
            .clone()
            .into_keypair()
            .unwrap();
        let mut out = Vec::new();
        let armorer =
            Armorer::new(Message::new(&mut out)).kind(sequoia_openpgp::armor::Kind::Signature).build();
        let signer = Signer::new(armorer.unwrap(), pair).unwrap().detached().creation_time(system_time(NOW));
        let mut signer = signer.build().unwrap();
        signer.write_all(text).unwrap();
        signer.finalize().unwrap();
        out
    }

    #[test]
    fn verdicts() {
        let (ours, theirs) = (key(), key());
        let known = [Certificate::new(ours.clone().strip_secret_key_material())];
        let text = b"Content-Type: text/plain\r\n\r\nwords\r\n";
        let signature = sign(&ours, text);
        let later = Time(NOW.0 + 90_000_000);
        for (what, signature, text, known, now, want) in [
            ("valid", &signature[..], &text[..], &known[..], NOW, Verdict::Valid),
            ("another text", &signature, b"other words", &known, NOW, Verdict::Bad),
            ("cut", &signature, &text[..20], &known, NOW, Verdict::Bad),
            ("nobody known", &signature, text, &[], NOW, Verdict::Unknown),
            ("by somebody else", &sign(&theirs, text), text, &known, NOW, Verdict::Unknown),
            ("looked at when the key has expired", &signature, text, &known, later, Verdict::Valid),
            ("from the future", &signature, text, &known, Time(NOW.0 - 500_000), Verdict::Bad),
            ("nonsense", b"nonsense", text, &known, NOW, Verdict::Unknown),
            ("empty", b"", text, &known, NOW, Verdict::Unknown),
            ("huge", &[b'x'; SIGNATURE + 1], text, &known, NOW, Verdict::Unknown),
        ] {
            assert_eq!(verify(signature, text, known, now), want, "{what}");
        }
    }
}
