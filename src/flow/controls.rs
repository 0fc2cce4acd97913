//! What a sender asks of us in a message: tags in the subject and control headers.

use crate::config::Config;
use crate::flow::Flow;
use crate::flow::draft::PinWish;
use crate::flow::refusal::TakeError;
use crate::flow::sign_in::Unlocked;
use crate::mime::header::Field;
use crate::mime::header::Header;
use crate::policy::encryption::Said;
use crate::policy::tag;
use crate::policy::tag::Invite;
use crate::policy::tag::Tags;
use crate::store::record::MailboxKind;

/// What was asked.
pub(in crate::flow) struct Controls {
    /// The subject without its tags, if it had one.
    pub subject: Option<String>,
    /// About encryption.
    pub said: Said,
    /// About the PIN.
    pub pin: PinWish,
    /// For the invitation.
    pub note: Option<String>,
    /// For a recipient who has a mailbox; then `said` is [`Said::Secure`].
    pub invite: Option<Invite>,
}

/// What a sender writes into the subject to ask for this.
pub(in crate::flow) fn asking(config: &Config, invite: Invite) -> String {
    let secure = config.encryption.subject_tag.first().map_or("[secure]", String::as_str);
    invite.tag(secure)
}

impl Flow {
    /// Reads tags and headers; what is nearly one is refused, so that nothing leaves in clear by a slip.
    pub(in crate::flow) fn controls(&self, who: &Unlocked, header: &Header) -> Result<Controls, TakeError> {
        let nothing =
            Controls { subject: None, said: Said::Nothing, pin: PinWish::Unsaid, note: None, invite: None };
        if who.kind == MailboxKind::Temporary {
            return Ok(nothing);
        }
        let values = |name: &str| header.all(name).map(Field::decoded).collect::<Vec<_>>();
        let config = self.config();
        let tags = Tags { secure: &config.encryption.subject_tag, plain: &config.encryption.plain_tag };
        let policy = |why: tag::Refusal| TakeError::Policy(why.to_string());
        let encrypt = tag::read_encrypt(&values(tag::ENCRYPT)).map_err(policy)?;
        let subject = header.subject().unwrap_or_default();
        let tagged = tag::read_subject(&subject, tags, encrypt.is_none()).map_err(policy)?;
        let invite = tag::read_invite(&values(tag::INVITE), tagged.invite).map_err(policy)?;
        let said = tag::join(encrypt, tagged.said).map_err(policy)?;
        let said = match invite {
            Some(_) => tag::join(Some(Said::Secure), said).map_err(policy)?,
            None => said,
        };
        let pin = tag::read_pin(&values(tag::PIN)).map_err(|why| TakeError::Malformed(why.to_string()))?;
        let pin = match pin {
            None => PinWish::Unsaid,
            Some(pin) if pin.eq_ignore_ascii_case("none") => PinWish::None,
            Some(pin) => PinWish::This(pin),
        };
        Ok(Controls {
            subject: tagged.subject,
            said,
            pin,
            note: tag::read_note(&values(tag::NOTE)).map_err(policy)?,
            invite,
        })
    }
}
