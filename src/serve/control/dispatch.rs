//! From a request to the flow that does it, and from what that says to an answer.

use crate::base::address::Address;
use crate::base::address::Domain;
use crate::base::alias::AliasLevel;
use crate::base::id::QueueId;
use crate::flow::Flow;
use crate::flow::account_keys::ChangeWish;
use crate::flow::accounts::AdminError;
use crate::flow::delivery::Courier;
use crate::flow::forecast::Forecasts;
use crate::flow::queue;
use crate::flow::queue::QueueItem;
use crate::flow::recovery::recovery_slot;
use crate::flow::signing;
use crate::flow::stored_certificates;
use crate::flow::stored_certificates::Added;
use crate::flow::zone;
use crate::openpgp::export;
use crate::openpgp::fingerprint_text;
use crate::policy::life::State;
use crate::policy::tls::Stored;
use crate::serve::control::Trouble;
use crate::serve::control::TroubleKind;
use crate::serve::control::answer;
use crate::serve::control::request::Password;
use crate::serve::control::request::Request;
use crate::serve::control::samples::ReadTemplates;
use crate::serve::control::shown;
use crate::serve::control::socket::Answering;
use crate::store::PAGE;
use crate::store::error::StoreError;
use crate::store::record::MailboxKind;
use crate::store::record::MailboxRecord;
use crate::store::record_stored::CertificateRecord;
use data_encoding::BASE64;
use serde::Serialize;
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;

/// Answers requests out of the flows, in a server or in a command of its own.
pub struct Dispatcher {
    pub(super) flow: Arc<Flow>,
    courier: Courier,
    forecasts: Forecasts,
    pub(super) templates: ReadTemplates,
}

impl Answering for Dispatcher {
    fn answer(&self, request: Request) -> Pin<Box<dyn Future<Output = Result<Value, Trouble>> + Send + '_>> {
        Box::pin(self.dispatch(request))
    }
}

impl Dispatcher {
    /// Over these flows; `courier` is for what is asked of other servers, `templates` for samples of mails.
    pub fn new(flow: Arc<Flow>, courier: Courier, templates: ReadTemplates) -> Self {
        Self { flow, courier, forecasts: Forecasts::default(), templates }
    }

    async fn dispatch(&self, request: Request) -> Result<Value, Trouble> {
        use Request as R;
        let flow = &*self.flow;
        match request {
            request @ (R::AccountAdd { .. }
            | R::AccountList {}
            | R::AccountShow { .. }
            | R::AccountPassword { .. }
            | R::AccountReset { .. }
            | R::AccountReopen { .. }
            | R::AccountRecovery { .. }
            | R::AccountRecover { .. }
            | R::AccountInvitations { .. }
            | R::AccountRemove { .. }
            | R::AccountAlias { .. }
            | R::AccountPolicy { .. }
            | R::AccountKeyExport { .. }
            | R::AccountKeyExportSecret { .. }
            | R::AccountKeyImport { .. }) => self.account(request).await,
            R::MailboxList {} => self.mailbox_list().await,
            R::MailboxShow { address } => self.mailbox_show(&parse(&address)?).await,
            R::MailboxDelete { address, fingerprint } => {
                let address = parse(&address)?;
                let (state, others) = flow.delete_mailbox(&address, fingerprint.as_deref()).await?;
                self.mailbox_changed(&address, state, &others).await
            }
            R::MailboxReopen { address } => {
                let address = parse(&address)?;
                let record = flow.reopen_mailbox(&address).await?;
                let state = flow.outlook(&record).await?.state;
                let others = flow.mailboxes_at(&address).await?;
                let others: Vec<_> = others.into_iter().filter(|other| other.id != record.id).collect();
                self.mailbox_changed(&address, state, &others).await
            }
            R::ClockShow {} => json(shown::clock(&flow.clocks().await?)),
            R::ClockAccept {} => json(shown::clock(&flow.accept_clock().await?)),
            R::QueueList {} => self.queue_list().await,
            R::QueueShow { id } => self.queue_show(queue_id(&id)?).await,
            R::QueueRetry { id } => {
                let id = id.as_deref().map(queue_id).transpose()?;
                if let Some(id) = id {
                    self.queued(id).await?;
                }
                json(answer::Retried { recipients: queue::retry(flow, id).await? })
            }
            R::QueueCancel { id } => {
                let id = queue_id(&id)?;
                if !queue::cancel(flow, id).await? {
                    return Err(not_queued(id));
                }
                json(answer::Cancelled { id: id.to_string() })
            }
            request @ (R::KeyImport { .. } | R::KeyList {} | R::KeyShow { .. } | R::KeyRemove { .. }) => {
                self.keys(request).await
            }
            request @ (R::CertificateAdd { .. }
            | R::CertificateFetch { .. }
            | R::CertificateList {}
            | R::CertificateRemove { .. }) => self.certificates(request).await,
            R::Recipient { address, from } => self.recipient(&parse(&address)?, from.as_deref()).await,
            request @ R::TemplateSend { .. } => self.template_send(request).await,
            R::Dns {} => self.dns_records().await,
            R::Health {} => json(answer::Health { store: shown::health(flow.store.health()).into() }),
        }
    }

    async fn account(&self, request: Request) -> Result<Value, Trouble> {
        use Request as R;
        let flow = &*self.flow;
        match request {
            R::AccountAdd { address, password } => {
                let record = flow.add_account(&parse(&address)?, &password.secret()).await?;
                json(answer::Changed { address: record.address.to_string() })
            }
            R::AccountList {} => self.account_list().await,
            R::AccountShow { address } => self.account_show(&parse(&address)?).await,
            R::AccountPassword { address, old, new, keep_app_passwords, new_key } => {
                let (address, wish) = (parse(&address)?, ChangeWish { keep_app_passwords, new_key });
                flow.change_password(&address, old.secret(), &new.secret(), wish).await?;
                json(answer::Changed { address: address.to_string() })
            }
            R::AccountReset { address, new } => self.account_reset(&parse(&address)?, new).await,
            R::AccountReopen { address, old, new } => {
                let address = parse(&address)?;
                flow.reopen_account(&address, old.secret(), new.secret()).await?;
                json(answer::Changed { address: address.to_string() })
            }
            R::AccountRecovery { address } => self.account_recovery(&parse(&address)?).await,
            R::AccountRecover { address, code, new } => {
                let address = parse(&address)?;
                flow.recover_account(&address, &code.secret(), &new.secret()).await?;
                json(answer::Changed { address: address.to_string() })
            }
            R::AccountInvitations { address } => json(self.invitations_of(&parse(&address)?).await?),
            R::AccountRemove { address } => self.account_remove(&parse(&address)?).await,
            R::AccountAlias { address, active } => {
                let record = flow.switch_alias(&parse(&address)?, active).await?;
                json(self.alias_shown(&record))
            }
            R::AccountPolicy { address, level } => {
                let known = AliasLevel::ALL.map(AliasLevel::as_str).join(", ");
                let level = AliasLevel::parse(&level)
                    .map_err(|_| Trouble::usage(format!("not a level; the levels are {known}")))?;
                let record = flow.set_alias_level(&parse(&address)?, level).await?;
                json(self.alias_shown(&record))
            }
            R::AccountKeyExport { address } => self.export_certificate(&parse(&address)?).await,
            R::AccountKeyExportSecret { address, password } => {
                let address = parse(&address)?;
                let exported = flow.export_secret_key(&address, password.secret()).await?;
                let record = flow.mailbox_at(&address, MailboxKind::Account).await?;
                json(answer::SecretKey {
                    address: record.address.to_string(),
                    fingerprint: fingerprint_text(&record.certificate.0),
                    secret_key: exported.file.expose().clone(),
                    passphrase: exported.passphrase.expose().clone(),
                })
            }
            R::AccountKeyImport { address, file } => {
                let address = parse(&address)?;
                flow.import_own_certificate(&address, decode(&file)?).await?;
                self.export_certificate(&address).await
            }
            _ => Err(Trouble::usage("not about an account")),
        }
    }

    /// What would happen to a message.
    async fn recipient(&self, address: &Address, from: Option<&str>) -> Result<Value, Trouble> {
        let config = self.flow.config();
        let from = match (from, config.domains.first()) {
            (Some(from), _) => parse(from)?,
            (None, Some(domain)) => Address::new("postmaster", domain.name.clone())
                .map_err(|why| Trouble::unavailable(why.to_string()))?,
            (None, None) => return Err(Trouble::usage("there is no domain to write from")),
        };
        if !config.is_local(from.domain()) {
            return Err(Trouble::usage(format!("{from} is no address of this server's domains")));
        }
        let forecast = self.forecasts.of(&self.flow, &self.courier, &from, address).await?;
        json(shown::forecast(address, &from, forecast))
    }

    /// The records to publish.
    async fn dns_records(&self) -> Result<Value, Trouble> {
        let (flow, config) = (&*self.flow, self.flow.config());
        let made = signing::make_missing_keys(&*flow.store, &config, flow.clock.now()).await;
        made.map_err(|error| Trouble::unavailable(error.to_string()))?;
        json(answer::DnsRecords { lines: zone::lines(&*flow.store, &config).await? })
    }

    /// OpenPGP certificates of people outside.
    async fn keys(&self, request: Request) -> Result<Value, Trouble> {
        use Request as R;
        let flow = &*self.flow;
        match request {
            R::KeyImport { file } => {
                let imported = flow.import_certificate(decode(&file)?).await?;
                json(imported.iter().map(shown::key_imported).collect::<Vec<_>>())
            }
            R::KeyList {} => {
                let records = flow.all_certificates().await?;
                json(records.iter().map(|record| self.key_listed(record)).collect::<Vec<_>>())
            }
            R::KeyShow { address } => self.key_show(&parse(&address)?).await,
            R::KeyRemove { address } => {
                let address = parse(&address)?;
                flow.remove_certificate(&address).await?;
                json(answer::Changed { address: address.to_string() })
            }
            _ => Err(Trouble::usage("not about keys")),
        }
    }

    /// TLS certificates of destinations.
    async fn certificates(&self, request: Request) -> Result<Value, Trouble> {
        use Request as R;
        let flow = &*self.flow;
        match request {
            R::CertificateAdd { domain, file } => self.certificate_add(domain_of(&domain)?, &file).await,
            R::CertificateFetch { domain } => {
                let fetched = stored_certificates::fetch(flow, &self.courier, &domain_of(&domain)?).await;
                let fetched = fetched.map_err(|trouble| Trouble::refused(trouble.to_string()))?;
                json(fetched.iter().map(shown::presented).collect::<Vec<_>>())
            }
            R::CertificateList {} => {
                let all = stored_certificates::all(flow).await?;
                let lines = all.iter().flat_map(|of| {
                    of.held.iter().map(|held| shown::stored_listed(&of.domain, held, of.seen.as_ref()))
                });
                json(lines.collect::<Vec<_>>())
            }
            R::CertificateRemove { domain } => {
                let domain = domain_of(&domain)?;
                let removed = stored_certificates::remove(flow, domain.clone()).await?;
                if removed == 0 {
                    return Err(Trouble::refused(format!("nothing is stored for {domain}")));
                }
                json(answer::StoredRemoved { domain: domain.to_string(), removed })
            }
            _ => Err(Trouble::usage("not about certificates")),
        }
    }

    async fn certificate_add(&self, domain: Domain, file: &str) -> Result<Value, Trouble> {
        let stored =
            Stored::read(&decode(file)?).map_err(|why| Trouble::refused(format!("the file {why}")))?;
        match stored_certificates::add(&self.flow, domain.clone(), &stored).await? {
            Added::Full => {
                return Err(Trouble::refused(format!(
                    "two are stored for {domain}; remove them first and add the ones that count"
                )));
            }
            Added::Now | Added::Before => {}
        }
        let held = self.flow.store.stored_certificates(&domain).await?;
        let found = held.iter().find(|held| stored_certificates::read(held) == stored);
        json(found.map(|held| shown::stored_listed(&domain, held, None)))
    }

    async fn account_list(&self) -> Result<Value, Trouble> {
        let mut list = Vec::new();
        for record in self.flow.all_mailboxes(MailboxKind::Account).await? {
            let (messages, bytes) = shown::totals(&self.flow.store.folders(record.id).await?);
            let alias = self.flow.alias_of(&record).filter(|alias| alias.active);
            let own = self.flow.own_certificate(&record).await.unwrap_or_else(|why| {
                tracing::error!(account = %record.address, %why, "the account's own certificate cannot be read");
                None
            });
            list.push(answer::AccountListed {
                address: record.address.to_string(),
                created: record.created.to_string(),
                last_activity: record.last_activity.to_string(),
                messages,
                bytes,
                secure_alias: alias.as_ref().map(|alias| alias.address.to_string()),
                policy: alias.map(|alias| alias.level.to_string()),
                own_certificate: own.as_ref().map(|own| fingerprint_text(own.fingerprint())),
                own_certificate_expires: shown::said(own.and_then(|own| own.expires(self.flow.clock.now()))),
            });
        }
        json(list)
    }

    fn alias_shown(&self, record: &MailboxRecord) -> Option<answer::AliasShown> {
        let named = self.flow.alias_of(record);
        let (active, level) = match (&named, record.alias()) {
            (Some(alias), _) => (alias.active, alias.level),
            (None, Some(kept)) => (kept.active, kept.level),
            (None, None) => return None,
        };
        Some(answer::AliasShown {
            secure_alias: named.map(|alias| alias.address.to_string()),
            active,
            policy: level.to_string(),
        })
    }

    async fn account_show(&self, address: &Address) -> Result<Value, Trouble> {
        let record = self.flow.mailbox_at(address, MailboxKind::Account).await?;
        let folders = self.flow.store.folders(record.id).await?;
        let key = self.flow.store.key(record.id, &record.certificate).await?;
        let (messages, bytes) = shown::totals(&folders);
        json(answer::AccountShown {
            address: record.address.to_string(),
            created: record.created.to_string(),
            last_activity: record.last_activity.to_string(),
            language: record.language.to_string(),
            fingerprint: fingerprint_text(&record.certificate.0),
            former_fingerprints: record.former.iter().map(|former| fingerprint_text(&former.0)).collect(),
            has_secret_key: key.is_some_and(|key| key.wrapped_secret.is_some()),
            recovery: recovery_slot(&record).map(|(_, recovery)| answer::RecoveryShown {
                fingerprint: fingerprint_text(&recovery.certificate.0),
                made: recovery.made.to_string(),
            }),
            alias: self.alias_shown(&record),
            shut: record.account.iter().flat_map(|part| &part.shut).map(shown::shut).collect(),
            folders: folders.iter().map(shown::folder).collect(),
            messages,
            bytes,
        })
    }

    async fn account_reset(&self, address: &Address, new: Password) -> Result<Value, Trouble> {
        let done = self.flow.reset_account(address, &new.secret()).await?;
        json(answer::AccountReset {
            address: address.to_string(),
            fingerprint: fingerprint_text(&done.fingerprint.0),
            unreadable_messages: done.unreadable,
            invitations: done.invitations.iter().map(shown::open_invitation).collect(),
            reopen_until: done.reopen_until.to_string(),
        })
    }

    async fn account_recovery(&self, address: &Address) -> Result<Value, Trouble> {
        let recovery = self.flow.recovery_message(address).await?;
        json(answer::AccountRecovery {
            address: address.to_string(),
            fingerprint: fingerprint_text(&recovery.certificate.0),
            made: recovery.made.to_string(),
            message: recovery.message,
        })
    }

    async fn account_remove(&self, address: &Address) -> Result<Value, Trouble> {
        let invitations = self.invitations_of(address).await?;
        self.flow.remove_mailbox(address, MailboxKind::Account).await?;
        json(answer::AccountRemoved { address: address.to_string(), invitations })
    }

    async fn invitations_of(&self, address: &Address) -> Result<Vec<answer::OpenInvitation>, Trouble> {
        let record = self.flow.mailbox_at(address, MailboxKind::Account).await?;
        Ok(self.flow.open_invitations(record.id).await?.iter().map(shown::open_invitation).collect())
    }

    async fn export_certificate(&self, address: &Address) -> Result<Value, Trouble> {
        let record = self.flow.mailbox_at(address, MailboxKind::Account).await?;
        json(answer::Certificate {
            address: record.address.to_string(),
            fingerprint: fingerprint_text(&record.certificate.0),
            certificate: self.flow.export_certificate(address).await?,
        })
    }

    async fn mailbox_list(&self) -> Result<Value, Trouble> {
        let mut list = Vec::new();
        for record in self.flow.all_mailboxes(MailboxKind::Temporary).await? {
            list.push(self.mailbox_listed(&record).await?);
        }
        json(list)
    }

    async fn mailbox_listed(&self, record: &MailboxRecord) -> Result<answer::MailboxListed, Trouble> {
        let (messages, bytes) = shown::totals(&self.flow.store.folders(record.id).await?);
        let outlook = self.flow.outlook(record).await?;
        Ok(answer::MailboxListed {
            address: record.address.to_string(),
            state: outlook.state.as_str().into(),
            created: record.created.to_string(),
            opened: shown::said(record.opened),
            last_activity: record.last_activity.to_string(),
            inactive_until: shown::said(outlook.closes),
            kept_until: shown::said(outlook.goes),
            messages,
            bytes,
        })
    }

    async fn mailbox_changed(
        &self,
        address: &Address,
        state: State,
        others: &[Arc<MailboxRecord>],
    ) -> Result<Value, Trouble> {
        let mut left = Vec::new();
        for record in others {
            left.push(self.flow.outlook(record).await?.state.as_str().into());
        }
        json(answer::MailboxChanged {
            address: address.to_string(),
            state: state.as_str().into(),
            others: left,
        })
    }

    async fn mailbox_show(&self, address: &Address) -> Result<Value, Trouble> {
        let mut found = self.flow.mailboxes_at(address).await?;
        let record = found.remove(0);
        let mut others = Vec::new();
        for other in &found {
            others.push(self.mailbox_listed(other).await?);
        }
        let (messages, bytes) = shown::totals(&self.flow.store.folders(record.id).await?);
        let mut correspondents = Vec::new();
        for account in &record.correspondents {
            let account = self.flow.store.mailbox(*account).await?;
            correspondents.extend(account.map(|account| account.address.to_string()));
        }
        let invited_by = match record.inviter {
            Some(inviter) => {
                self.flow.store.mailbox(inviter).await?.map(|account| account.address.to_string())
            }
            None => None,
        };
        let outlook = self.flow.outlook(&record).await?;
        let warnings = record.warnings.iter();
        json(answer::MailboxShown {
            address: record.address.to_string(),
            state: outlook.state.as_str().into(),
            created: record.created.to_string(),
            opened: shown::said(record.opened),
            last_activity: record.last_activity.to_string(),
            inactive_until: shown::said(outlook.closes),
            closed: shown::said(record.closed.map(|closed| closed.at)),
            unreachable: shown::said(record.unreachable.map(|unreachable| unreachable.at)),
            kept_until: shown::said(outlook.goes),
            superseded: shown::said(record.superseded),
            supersedes: shown::said(record.supersedes),
            warnings: warnings
                .map(|sent| answer::WarningShown { days: sent.days, settled: sent.settled.is_some() })
                .collect(),
            language: record.language.to_string(),
            invited_by,
            correspondents,
            invitation: self.invitation(&record).await?,
            fingerprint: fingerprint_text(&record.certificate.0),
            messages,
            bytes,
            others,
        })
    }

    async fn invitation(
        &self,
        record: &MailboxRecord,
    ) -> Result<Option<answer::InvitationShown>, StoreError> {
        let Some(id) = record.invitation else { return Ok(None) };
        let invitation = self.flow.store.invitation(id).await?;
        Ok(invitation.map(|invitation| answer::InvitationShown {
            state: shown::invitation_state(invitation.state).into(),
            created: invitation.created.to_string(),
            has_pin: invitation.has_pin,
            tries: invitation.tries,
        }))
    }

    async fn queue_list(&self) -> Result<Value, Trouble> {
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let page = queue::list(&*self.flow.store, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.record.id);
            list.extend(page.iter().map(shown::queue_listed));
        }
        json(list)
    }

    async fn queue_show(&self, id: QueueId) -> Result<Value, Trouble> {
        let QueueItem { record, recipients } = self.queued(id).await?;
        json(answer::QueueShown {
            id: record.id.to_string(),
            purpose: shown::purpose(record.purpose).into(),
            sender: record.sender.as_ref().map(ToString::to_string).unwrap_or_default(),
            created: record.created.to_string(),
            bytes: record.size,
            tls_policy: record.tls_policy.clone(),
            recipients: recipients.iter().map(shown::recipient).collect(),
        })
    }

    async fn queued(&self, id: QueueId) -> Result<QueueItem, Trouble> {
        queue::show(&*self.flow.store, id).await?.ok_or_else(|| not_queued(id))
    }

    fn key_listed(&self, record: &CertificateRecord) -> answer::KeyListed {
        let parsed = self.flow.certificates.parsed(&record.fingerprint.0, &record.certificate).ok();
        answer::KeyListed {
            address: record.address.to_string(),
            fingerprint: fingerprint_text(&record.fingerprint.0),
            imported: record.imported.to_string(),
            expires: parsed
                .as_ref()
                .and_then(|parsed| parsed.expires(self.flow.clock.now()))
                .map(|time| time.to_string()),
            usable: parsed.is_some_and(|parsed| parsed.usable(self.flow.clock.now()).is_ok()),
        }
    }

    async fn key_show(&self, address: &Address) -> Result<Value, Trouble> {
        let record = self.flow.certificate_of(address).await?;
        let parsed = self.flow.certificates.parsed(&record.fingerprint.0, &record.certificate);
        let parsed = parsed.map_err(AdminError::from)?;
        let usable = parsed.usable(self.flow.clock.now());
        json(answer::KeyShown {
            address: record.address.to_string(),
            fingerprint: fingerprint_text(&record.fingerprint.0),
            imported: record.imported.to_string(),
            expires: parsed.expires(self.flow.clock.now()).map(|time| time.to_string()),
            usable: usable.is_ok(),
            reason: usable.err().map(|why| why.to_string()),
            certificate: export::certificate(&parsed).map_err(AdminError::from)?,
        })
    }
}

/// The only place where the admin's trouble becomes words and a status.
impl From<AdminError> for Trouble {
    fn from(trouble: AdminError) -> Self {
        match trouble {
            AdminError::Store(error) => error.into(),
            AdminError::Busy => Self::unavailable(AdminError::Busy.to_string()),
            other => Self::refused(other.to_string()),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(trouble: StoreError) -> Self {
        let kind = match trouble {
            StoreError::Poisoned => TroubleKind::Poisoned,
            StoreError::Damaged { .. } => TroubleKind::Damaged,
            StoreError::Refused { .. } | StoreError::WrongKey | StoreError::Format { .. } => {
                TroubleKind::Refused
            }
            // Disk low, in use, the disk itself: another time it may go.
            _ => TroubleKind::Unavailable,
        };
        Self { kind, message: trouble.to_string() }
    }
}

pub(super) fn json(answer: impl Serialize) -> Result<Value, Trouble> {
    serde_json::to_value(answer).map_err(|_| Trouble::unavailable("the answer cannot be written"))
}

pub(super) fn parse(address: &str) -> Result<Address, Trouble> {
    Address::parse(address.trim()).map_err(|why| Trouble::usage(format!("{}: {why}", address.escape_debug())))
}

fn decode(file: &str) -> Result<Vec<u8>, Trouble> {
    BASE64.decode(file.as_bytes()).map_err(|_| Trouble::usage("the file is not base64"))
}

fn queue_id(text: &str) -> Result<QueueId, Trouble> {
    QueueId::parse(text).ok_or_else(|| Trouble::usage(format!("{} is no queue id", text.escape_debug())))
}

fn not_queued(id: QueueId) -> Trouble {
    Trouble::refused(format!("{id} is not in the queue"))
}

pub(super) fn domain_of(text: &str) -> Result<Domain, Trouble> {
    Domain::parse(text.trim()).map_err(|why| Trouble::usage(format!("{}: {why}", text.escape_debug())))
}
