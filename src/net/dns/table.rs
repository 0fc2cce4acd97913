//! Names that nobody looks up: one peer for everything, or a table.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Exchanges;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Tlsa;
use crate::base::dns::Validation;
use crate::net::Deed;
use crate::net::dns::Dns;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Everything goes to one peer: what `demo` has in place of the Internet.
#[derive(Clone, Copy, Debug)]
pub struct OnePeer(
    /// Where it listens.
    pub IpAddr,
);

fn now<'a, T: Send + 'a>(answer: T) -> Deed<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl Dns for OnePeer {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges> {
        let only = Exchange { preference: 0, host: Some(domain.clone()) };
        now(Answer::Records(Security::Insecure, vec![only]).into())
    }

    fn addresses<'a>(&'a self, _: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        let addresses = Answer::Records(Security::Insecure, vec![self.0]);
        now(Located { addresses, expanded: None })
    }

    fn alias<'a>(&'a self, _: &'a Domain) -> Deed<'a, Answer<Domain>> {
        now(Answer::NoData(Security::Insecure))
    }

    fn tlsa<'a>(&'a self, _: &'a Domain, _: u16) -> Deed<'a, Answer<Tlsa>> {
        now(Answer::NoData(Security::Insecure))
    }

    fn text<'a>(&'a self, _: &'a str, _: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        now(Answer::NoData(Security::Insecure))
    }

    fn validation(&self) -> Deed<'_, Validation> {
        now(Validation::Off)
    }
}

/// Names in a table, for tests: what is not in it does not exist. Its answers are secure once [`Table::signed`].
#[derive(Debug)]
pub struct Table {
    security: Security,
    validation: Validation,
    mx: HashMap<String, Exchanges>,
    addresses: HashMap<String, Located<IpAddr>>,
    tlsa: HashMap<String, Answer<Tlsa>>,
    texts: Mutex<HashMap<String, Answer<Vec<u8>>>>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            security: Security::Insecure,
            validation: Validation::By("a table".into()),
            mx: HashMap::new(),
            addresses: HashMap::new(),
            tlsa: HashMap::new(),
            texts: Mutex::default(),
        }
    }
}

impl Table {
    /// One whose answers are secure, those given as [`Answer`] excepted; to begin with.
    pub fn signed() -> Self {
        Self { security: Security::Secure, ..Self::default() }
    }

    /// The same where this is known about validation.
    pub fn with_validation(self, validation: Validation) -> Self {
        Self { validation, ..self }
    }

    /// The same with MX records for `domain`; a host of `.` is the null MX.
    pub fn with_mx(self, domain: &str, hosts: &[(u16, &str)]) -> Self {
        let records = hosts
            .iter()
            .map(|(preference, host)| Exchange { preference: *preference, host: Domain::parse(host).ok() });
        let answer = Answer::Records(self.security, records.collect());
        self.with_mx_answer(domain, answer)
    }

    /// The same with this answer about MX.
    pub fn with_mx_answer(mut self, domain: &str, answer: Answer<Exchange>) -> Self {
        self.mx.insert(domain.into(), answer.into());
        self
    }

    /// The same where `domain` is an alias of `target`, whose MX records are those of `domain` so far.
    pub fn with_mx_alias(mut self, domain: &str, target: &str) -> Self {
        if let Some(exchanges) = self.mx.get_mut(domain) {
            exchanges.expanded = Domain::parse(target).ok();
        }
        self
    }

    /// The same with addresses for `host`; a domain that has only these has an implicit MX.
    pub fn with_addresses(self, host: &str, addresses: &[IpAddr]) -> Self {
        let answer = Answer::Records(self.security, addresses.to_vec());
        self.with_addresses_answer(host, answer)
    }

    /// The same with this answer about addresses.
    pub fn with_addresses_answer(mut self, host: &str, addresses: Answer<IpAddr>) -> Self {
        self.addresses.insert(host.into(), Located { addresses, expanded: None });
        self
    }

    /// The same where `host` is an alias of `target`, at these addresses.
    pub fn with_alias(mut self, host: &str, target: &str, addresses: &[IpAddr]) -> Self {
        let addresses = Answer::Records(self.security, addresses.to_vec());
        self.addresses.insert(host.into(), Located { addresses, expanded: Domain::parse(target).ok() });
        self
    }

    /// The same with TLSA records for `host`, whatever the port.
    pub fn with_tlsa(self, host: &str, records: &[Tlsa]) -> Self {
        let answer = Answer::Records(self.security, records.to_vec());
        self.with_tlsa_answer(host, answer)
    }

    /// The same with this answer about TLSA.
    pub fn with_tlsa_answer(mut self, host: &str, answer: Answer<Tlsa>) -> Self {
        self.tlsa.insert(host.into(), answer);
        self
    }

    /// Puts one TXT record at `name`, also while it is asked; `None` takes it away.
    pub fn set_text(&self, name: &str, text: Option<&str>) {
        let answer = text.map(|text| Answer::Records(self.security, vec![text.as_bytes().to_vec()]));
        self.set_text_answer(name, answer.unwrap_or_else(|| self.nothing(false)));
    }

    /// Puts this answer about TXT at `name`, also while it is asked.
    pub fn set_text_answer(&self, name: &str, answer: Answer<Vec<u8>>) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into(), answer);
    }

    fn nothing<T>(&self, there: bool) -> Answer<T> {
        if there { Answer::NoData(self.security) } else { Answer::NxDomain(self.security) }
    }
}

impl Dns for Table {
    fn mx<'a>(&'a self, domain: &'a Domain) -> Deed<'a, Exchanges> {
        let there = self.addresses.contains_key(domain.as_str());
        now(self.mx.get(domain.as_str()).cloned().unwrap_or_else(|| self.nothing::<Exchange>(there).into()))
    }

    fn addresses<'a>(&'a self, host: &'a Domain) -> Deed<'a, Located<IpAddr>> {
        let there = self.mx.contains_key(host.as_str());
        let nothing = || Located { addresses: self.nothing(there), expanded: None };
        now(self.addresses.get(host.as_str()).cloned().unwrap_or_else(nothing))
    }

    fn alias<'a>(&'a self, host: &'a Domain) -> Deed<'a, Answer<Domain>> {
        let target = self.addresses.get(host.as_str()).and_then(|located| located.expanded.clone());
        now(target.map_or_else(|| self.nothing(true), |target| Answer::Records(self.security, vec![target])))
    }

    fn tlsa<'a>(&'a self, host: &'a Domain, _: u16) -> Deed<'a, Answer<Tlsa>> {
        now(self.tlsa.get(host.as_str()).cloned().unwrap_or_else(|| self.nothing(false)))
    }

    fn text<'a>(&'a self, label: &'a str, domain: &'a Domain) -> Deed<'a, Answer<Vec<u8>>> {
        let texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = texts.get(&format!("{label}.{domain}")).cloned();
        now(found.unwrap_or_else(|| self.nothing(false)))
    }

    fn validation(&self) -> Deed<'_, Validation> {
        now(self.validation.clone())
    }
}
