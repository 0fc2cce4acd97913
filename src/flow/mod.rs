//! The deeds, one file a verb: what happens to a message, a mailbox, an account.
//!
//! A flow asks the rooms below, gets verdicts, and carries them out in one commit of the store.

pub mod account_keys;
pub mod account_life;
pub mod accounts;
pub mod alarms;
pub mod alias;
mod anew;
pub mod append;
pub mod assembled;
mod belonging;
pub mod bounce;
pub mod budgets;
mod carry_out;
pub mod certificates;
pub mod connections;
mod controls;
mod course;
mod delivered;
pub mod delivery;
pub mod direct;
mod draft;
mod due;
pub mod expiry;
pub mod export;
pub mod first_use;
pub mod forecast;
pub mod gauge;
mod glimpse;
pub mod hold;
mod hosts;
pub mod intake;
pub mod invitation;
mod lanes;
mod late;
pub mod letters;
pub mod life;
pub mod locks;
pub mod mta_sts;
mod new_mailbox;
pub mod notes;
pub mod notice_answer;
pub mod notices;
pub mod outgoing;
pub mod own_key;
mod parked;
pub mod password_work;
mod pgp;
mod plan;
pub mod pressed_again;
mod probe;
pub mod queue;
pub mod reading;
pub mod recovery;
pub mod refusal;
pub mod refused;
mod renewal;
pub mod reply;
mod report;
pub mod returned;
mod road;
mod same_message;
pub mod samples;
pub mod sealing;
pub mod search;
mod session;
pub mod sightings;
pub mod sign_in;
pub mod sign_in_cache;
pub mod signature;
pub mod signing;
pub mod stored_certificates;
pub mod submission;
mod undelivered;
mod unopened;
mod unrecorded;
pub mod visits;
mod warning;
mod wire;
pub mod zip;
pub mod zone;

#[cfg(test)]
mod connections_policy_tests;
#[cfg(test)]
mod connections_tests;
#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod races;
#[cfg(test)]
mod silence_tests;
#[cfg(test)]
mod tests;

use crate::base::random::Random;
use crate::base::time::Clock;
use crate::config::Config;
use crate::flow::alarms::Alarms;
use crate::flow::budgets::SignInBudgets;
use crate::flow::expiry::Bell;
use crate::flow::gauge::Gauge;
use crate::flow::locks::AddressLocks;
use crate::flow::mta_sts::Policies;
use crate::flow::notice_answer::Answered;
use crate::flow::notices::Notices;
use crate::flow::password_work::PasswordWork;
use crate::flow::recovery::RecoveryCertificate;
use crate::flow::refused::Refused;
use crate::flow::returned::Once;
use crate::flow::sightings::Sightings;
use crate::flow::sign_in_cache::SignInCache;
use crate::flow::submission::SendingLimits;
use crate::flow::visits::Visits;
use crate::net::dns::Dns;
use crate::openpgp::certificate::CertificateCache;
use crate::store::Store;
use crate::store::spool::SpoolDir;
use crate::texts::template::Wordings;
use crate::vault::keyring::Keys;
use crate::vault::seal::Index;
use crate::vault::slot::Parameters;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Everything the flows work with; one for the appliance, shared by every driver.
pub struct Flow {
    /// What is known, durably.
    pub store: Arc<dyn Store>,
    /// The appliance's own keys; they open no mailbox.
    pub keys: Arc<Keys>,
    /// Hashes of addresses and Message-IDs.
    pub index: Index,
    /// Where messages lie while they are handled.
    pub spools: SpoolDir,
    /// Both clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Names to hosts.
    pub dns: Arc<dyn Dns>,
    /// What a new slot costs to guess.
    pub password_cost: Parameters,
    /// Argon2 in its bounded room.
    pub passwords: PasswordWork,
    /// Failures at sign-in and first use.
    pub budgets: SignInBudgets,
    /// Accounts that signed in lately.
    pub sign_in_cache: SignInCache,
    /// What accounts may send.
    pub sending: SendingLimits,
    /// Mail programs that have a mailbox open.
    pub visits: Visits,
    /// From decision to commit, an address is held.
    pub locks: AddressLocks,
    /// Parsed certificates.
    pub certificates: CertificateCache,
    /// Who wrote to the address of notices and was answered.
    pub answered: Answered,
    /// MTA-STS policies of other domains that are being fetched.
    pub policies: Policies,
    /// What the queue holds.
    pub queue: Gauge,
    /// Reports from outside that were told already.
    pub returned_once: Once,
    /// Recipients who are to be told of something.
    pub notices: Notices,
    /// What postmasters are to be told.
    pub alarms: Alarms,
    /// What destinations showed that are compared with what is stored.
    pub sightings: Sightings,
    /// What secure aliases refused lately.
    pub refused: Refused,
    /// Rung when something was queued.
    pub queue_bell: Notify,
    recovery: RwLock<Option<Arc<RecoveryCertificate>>>,
    /// Wakes the worker that looks after the lives of mailboxes.
    pub lives: Bell,
    plaintext: Arc<Semaphore>,
    config: RwLock<Arc<Config>>,
    wordings: RwLock<Arc<Wordings>>,
}

/// What the edge brings.
pub struct Ground {
    /// The engine.
    pub store: Arc<dyn Store>,
    /// From the keyring.
    pub keys: Arc<Keys>,
    /// The spool directory.
    pub spools: SpoolDir,
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub random: Arc<dyn Random>,
    /// The resolver.
    pub dns: Arc<dyn Dns>,
    /// Argon2's cost for new slots.
    pub password_cost: Parameters,
}

/// A message larger than this lies in a sealed file; only so much of it is in memory, KiB.
const IN_MEMORY: u64 = 1_024;
/// Parsed certificates kept.
const CERTIFICATES: usize = 4_096;

impl Flow {
    /// Puts the flows on their ground.
    pub fn new(ground: Ground, config: Arc<Config>) -> Arc<Self> {
        Arc::new(Self {
            sign_in_cache: SignInCache::new(&*ground.random),
            index: Index::new(&ground.keys),
            store: ground.store,
            keys: ground.keys,
            spools: ground.spools,
            clock: ground.clock,
            random: ground.random,
            dns: ground.dns,
            password_cost: ground.password_cost,
            passwords: config
                .limits
                .password_checks
                .map_or_else(PasswordWork::for_this_machine, PasswordWork::new),
            budgets: SignInBudgets::default(),
            sending: SendingLimits::default(),
            visits: Visits::default(),
            locks: AddressLocks::default(),
            certificates: CertificateCache::new(CERTIFICATES),
            answered: Answered::default(),
            policies: Policies::default(),
            queue: Gauge::default(),
            returned_once: Once::default(),
            recovery: RwLock::default(),
            notices: Notices::default(),
            alarms: Alarms::default(),
            sightings: Sightings::default(),
            refused: Refused::default(),
            queue_bell: Notify::new(),
            lives: Bell::default(),
            plaintext: Arc::new(Semaphore::new(
                usize::try_from(config.limits.plaintext_memory >> 10).unwrap_or(Semaphore::MAX_PERMITS),
            )),
            config: RwLock::new(config),
            wordings: RwLock::default(),
        })
    }

    /// The configuration now in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another configuration in force; what is under way finishes with the former.
    pub fn reconfigure(&self, config: Arc<Config>) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// The words that domains have of their own.
    pub fn wordings(&self) -> Arc<Wordings> {
        self.wordings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Mails that are written from now on have these.
    pub fn set_wordings(&self, wordings: Wordings) {
        *self.wordings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(wordings);
    }

    /// Room in memory for a message of `size` octets; `None` when there is none now.
    pub fn plaintext_room(&self, size: u64) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from((size >> 10).clamp(8, IN_MEMORY)).unwrap_or(u32::MAX);
        self.plaintext.clone().try_acquire_many_owned(kib).ok()
    }
}
