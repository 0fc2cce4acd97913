//! What we write and sign ourselves, at peers that take it as it is and at those that do not.

use super::*;
use crate::flow::letters::Post;
use crate::flow::signing::key_record;
use crate::flow::signing::make_missing_keys;
use crate::mime::dkim::tests::Zone;
use crate::mime::dkim::tests::judged;
use crate::texts::letter::MailText;

impl Ours {
    /// Its DKIM records, with keys made now.
    async fn signing(&self) -> Zone {
        let (store, config) = (&*self.flow.store, self.flow.config());
        make_missing_keys(store, &config, START).await.unwrap();
        let keys = store.signing_keys(&config.domains[0].name).await.unwrap();
        let name = |selector: &str| format!("{selector}._domainkey.a.example.");
        Zone::of(keys.iter().map(|key| (name(&key.selector), key_record(key))))
    }
}

#[tokio::test]
async fn a_letter_keeps_its_signatures_at_a_peer_of_seven_bits() {
    let extensions: [&[&str]; 2] = [&["8BITMIME"], &[]];
    for extensions in extensions {
        let peer = Plan::default().extensions(extensions).open().await;
        let mut ours = Ours::facing(&peer).await;
        let zone = ours.signing().await;
        let text = MailText {
            subject: "Sichere Nachricht für Sie".into(),
            text: "Grüße\n\nNACHRICHT LESEN\n".into(),
            html: "<p>Grüße</p>".into(),
        };
        let config = ours.flow.config();
        let post = Post {
            domain: &config.domains[0],
            to: &address("bob@x.example"),
            text: &text,
            id: ours.flow.queue_id(),
            purpose: Purpose::Invitation(ours.alice),
            owner: Some(ours.alice),
            demand: Demand::default(),
            answers: None,
            encrypted_to: None,
            sample: None,
        };
        let command = ours.flow.post(post).await.unwrap();
        ours.flow.store.commit(vec![command]).await.unwrap();
        ours.worker.until_idle().await;
        let taken = peer.taken();
        assert_eq!(taken.len(), 1, "{extensions:?}");
        let text = String::from_utf8_lossy(&taken[0].text);
        assert_eq!(text.is_ascii(), extensions.is_empty(), "{text}");
        assert_eq!(text.matches("DKIM-Signature:").count(), 2, "{text}");
        assert_eq!(judged(&taken[0].text, &zone).await, [true, true], "{text}");
    }
}
