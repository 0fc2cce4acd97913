//! Messages for people who have a certificate: PGP/MIME, and the signatures of our domains.

use crate::base::address::Domain;
use crate::base::time::Time;
use crate::flow::Flow;
use crate::flow::assembled::Piece;
use crate::flow::draft::Draft;
use crate::flow::refusal::TakeError;
use crate::flow::sealing::Composed;
use crate::flow::sealing::blocking;
use crate::flow::sealing::own_limits;
use crate::mime::dkim;
use crate::mime::dkim::Signer;
use crate::mime::header::Header;
use crate::mime::part::Content;
use crate::mime::pgp_mime;
use crate::mime::scan::Scanner;
use crate::mime::structure::Structure;
use crate::openpgp::addressed;
use crate::openpgp::certificate::Certificate;
use crate::openpgp::encrypt::Form;
use crate::openpgp::encrypt::encrypt;
use crate::store::record::SigningAlgorithm;
use crate::store::spool::Spool;
use std::io;
use std::io::Read;
use std::io::Write;
use zeroize::Zeroizing;

impl Flow {
    /// PGP/MIME to all of `certificates` at once (RFC 3156 §4): who has one sees that the others have. And whether the
    /// header that everybody sees has octets above 127.
    pub(in crate::flow) async fn pgp_message(
        &self,
        draft: &Draft,
        certificates: Vec<Certificate>,
    ) -> Result<(Composed, bool), TakeError> {
        let boundary = self.boundary();
        let mut outer = pgp_mime::outer_header(draft.header(), &boundary);
        let inner = draft.with(&pgp_mime::inner_header(draft.header(), &outer));
        for received in draft.header().all("Received").rev() {
            outer.prepend(received.clone());
        }
        let utf8_header = !outer.render().is_ascii();
        let (sink, now) = (self.spools.begin(), self.clock.now());
        let message = blocking(move || wrap(&certificates, &inner, &outer, &boundary, sink, now)).await?;
        Ok((message, utf8_header))
    }

    /// The same of a message that came, for an account that alone has the secret key of `certificate`, which must be
    /// usable `at` that time. One that is PGP/MIME for it already stays as it is.
    pub(in crate::flow) async fn for_owner_alone(
        &self,
        certificate: &Certificate,
        message: Composed,
        at: Time,
    ) -> Result<Composed, TakeError> {
        let (boundary, sink) = (self.boundary(), self.spools.begin());
        let certificate = certificate.clone();
        blocking(move || {
            let structure = scan(&message)?;
            if is_for(&structure, &message, &certificate) {
                return Ok(message);
            }
            let span = structure.root().ok_or_else(|| TakeError::internal("no structure"))?.header;
            let header = Header::read(&mut message.reader(), span).map_err(TakeError::internal)?;
            let outer = pgp_mime::outer_header(&header, &boundary);
            let inner = pgp_mime::kept_header(&header, &outer).render();
            let inner = message.from(span.end).behind(&inner);
            wrap(&[certificate], &inner, &outer, &boundary, sink, at)
        })
        .await
    }

    /// The message with a DKIM signature of each key of `domain` in front.
    pub(in crate::flow) async fn signed(
        &self,
        message: Composed,
        domain: &Domain,
    ) -> Result<Composed, TakeError> {
        let keys = self.store.signing_keys(domain).await?;
        let mut signers = Vec::with_capacity(keys.len());
        for algorithm in [SigningAlgorithm::Rsa, SigningAlgorithm::Ed25519] {
            let Some(key) = keys.iter().find(|key| key.algorithm == algorithm) else { continue };
            let private = key.private.expose();
            let signer = match algorithm {
                SigningAlgorithm::Rsa => Signer::rsa(&key.domain, &key.selector, private),
                SigningAlgorithm::Ed25519 => Signer::ed25519(&key.domain, &key.selector, private),
            };
            signers.push(signer.map_err(TakeError::internal)?);
        }
        if signers.is_empty() {
            return Ok(message);
        }
        let now = self.clock.now();
        blocking(move || {
            let fields = dkim::sign(message.reader(), &signers, now).map_err(TakeError::internal)?;
            Ok(message.behind(&fields))
        })
        .await
    }
}

/// `inner`, encrypted, in PGP/MIME under the header `outer`.
fn wrap(
    certificates: &[Certificate],
    inner: &Composed,
    outer: &Header,
    boundary: &str,
    sink: Spool,
    now: Time,
) -> Result<Composed, TakeError> {
    let certificates: Vec<&Certificate> = certificates.iter().collect();
    let sealed = encrypt(&certificates, inner.reader(), CrLf(sink), now, Form::Armored);
    let spool = sealed.map_err(TakeError::internal)?.into_inner().0.finish().map_err(TakeError::internal)?;
    let head = [outer.render(), pgp_mime::prefix(boundary)].concat();
    let pieces = vec![
        Piece::Own(head.into()),
        Piece::Came(0..spool.length()),
        Piece::Own(pgp_mime::suffix(boundary).into()),
    ];
    Ok(Composed { spool, pieces })
}

fn scan(message: &Composed) -> Result<Structure, TakeError> {
    let (mut source, mut scanner) = (message.reader(), Scanner::new(own_limits()));
    let mut piece = Zeroizing::new(vec![0; 32 << 10]);
    loop {
        let count = source.read(&mut piece).map_err(TakeError::internal)?;
        if count == 0 {
            return scanner.finish().map_err(|problem| TakeError::Malformed(problem.to_string()));
        }
        let fed = scanner.feed(piece.get(..count).unwrap_or_default());
        fed.map_err(|problem| TakeError::Malformed(problem.to_string()))?;
    }
}

/// Is the message PGP/MIME, and names its ciphertext this certificate?
fn is_for(structure: &Structure, message: &Composed, certificate: &Certificate) -> bool {
    let data = pgp_mime::ciphertext(structure).and_then(|(part, _)| structure.part(part));
    let content = data.and_then(|part| Content::open(message.reader(), part).ok());
    content.is_some_and(|content| addressed::is_for(certificate, content))
}

/// Armor has bare line feeds; mail has CRLF.
struct CrLf<W>(W);

impl<W: Write> Write for CrLf<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    self.0.write_all(text)?;
                    self.0.write_all(b"\r\n")?;
                }
                None => self.0.write_all(line)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
