//! Which hosts a message is offered to, and what DNS says about each: asked one host at a time, as it is needed.

use crate::base::address::Domain;
use crate::base::dns::Answer;
use crate::base::dns::Exchange;
use crate::base::dns::Located;
use crate::base::dns::Security;
use crate::base::dns::Validation;
use crate::base::random;
use crate::config::Config;
use crate::config::value::HostPort;
use crate::flow::Flow;
use crate::flow::queue::Destination;
use crate::net::dial::Dialer;
use crate::net::dial::NamedBy;
use crate::policy::dane;
use crate::policy::dane::Dane;
use crate::policy::dane::NoDane;
use crate::policy::dane::Question;
use crate::policy::route::Route;
use crate::policy::tls::Demand;
use crate::smtp::client::Trouble;
use futures_util::future::join_all;
use std::net::IpAddr;

/// A host to be tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Host {
    /// A domain in A-labels, or an address literal.
    pub(in crate::flow) name: String,
    place: Place,
    pub(in crate::flow) port: u16,
    pub(in crate::flow) named_by: NamedBy,
    /// Of its MX record; the lowest is the best.
    pub(in crate::flow) preference: u16,
    /// How far the name itself is proven.
    security: Security,
    /// What the domain is an alias of, where signed MX records name the host.
    expanded: Option<Domain>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Name(Domain),
    Address(IpAddr),
}

/// What DNS says about a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::flow) struct Survey {
    /// At least one.
    pub(in crate::flow) addresses: Vec<IpAddr>,
    /// About its certificate.
    pub(in crate::flow) dane: Dane,
}

/// The hosts of a destination under this configuration, in the order in which they are tried.
pub(in crate::flow) async fn hosts(
    flow: &Flow,
    config: &Config,
    destination: &Destination,
) -> Result<Vec<Host>, Trouble> {
    let domain = match destination {
        Destination::Domain(domain) => domain,
        Destination::Smarthost => {
            let smarthost = config.outbound.smarthost.as_ref();
            let smarthost =
                smarthost.ok_or_else(|| Trouble::new((4, 3, 5), "there is no smarthost any more"))?;
            return Ok(vec![smarthost_host(smarthost)?]);
        }
    };
    let port = config.outbound.port;
    let host = |preference, name: Domain, security| Host {
        name: name.to_string(),
        place: Place::Name(name),
        port,
        named_by: NamedBy::Stranger,
        preference,
        security,
        expanded: None,
    };
    let found = flow.dns.mx(domain).await;
    match Route::of(found.answer) {
        Route::Hosts(security, exchanges) => {
            let exchanges = in_order(flow, exchanges).into_iter();
            // An alias that is not signed can be forged.
            let expanded = found.expanded.filter(|_| security == Security::Secure);
            let host =
                |(preference, name)| Host { expanded: expanded.clone(), ..host(preference, name, security) };
            Ok(exchanges.map(host).collect())
        }
        Route::Implicit(security) => Ok(vec![host(0, domain.clone(), security)]),
        Route::NullMx => Err(Trouble::new((5, 1, 10), format!("{domain} accepts no mail"))),
        Route::NoSuchDomain => Err(Trouble::new((5, 1, 2), format!("the domain {domain} does not exist"))),
        Route::BadHosts => {
            Err(Trouble::new((5, 4, 4), format!("the MX records of {domain} name no host that could exist")))
        }
        Route::Unclear(why) => {
            Err(Trouble::new((4, 4, 3), format!("the DNS of {domain} cannot be read safely: {why}")))
        }
    }
}

/// An admin wrote its name: that is as good as proven.
fn smarthost_host(smarthost: &HostPort) -> Result<Host, Trouble> {
    let place = match smarthost.host.parse::<IpAddr>() {
        Ok(address) => Place::Address(address),
        Err(_) => Place::Name(
            Domain::parse(&smarthost.host)
                .map_err(|_| Trouble::new((4, 3, 5), "the smarthost is no host name"))?,
        ),
    };
    Ok(Host {
        name: smarthost.host.clone(),
        place,
        port: smarthost.port,
        named_by: NamedBy::Admin,
        preference: 0,
        security: Security::Secure,
        expanded: None,
    })
}

/// By preference, those of one preference in any order (RFC 5321 §5.1).
fn in_order(flow: &Flow, exchanges: Vec<Exchange>) -> Vec<(u16, Domain)> {
    let mut drawn: Vec<(u16, [u8; 4], Domain)> = exchanges
        .into_iter()
        .filter_map(|exchange| Some((exchange.preference, random::bytes(&*flow.random), exchange.host?)))
        .collect();
    drawn.sort();
    drawn.into_iter().map(|(preference, _, host)| (preference, host)).collect()
}

/// Hosts that are asked about at once: an answer can be large before it is cut.
const AT_ONCE: usize = 8;

/// RFC 5321 §5.1: at our own place in the list, neither what stands beside us nor what stands behind us is for us to
/// try; at its head the mail would run in a circle.
pub(in crate::flow) async fn own_place(flow: &Flow, dialer: &Dialer, equals: &[Host]) -> Option<Trouble> {
    let mut ours = Vec::with_capacity(equals.len());
    for some in equals.chunks(AT_ONCE) {
        ours.extend(join_all(some.iter().map(|host| host.is_ourselves(flow, dialer))).await);
    }
    let ours = ours.iter().position(|ours| *ours)?;
    let text = "is this server itself, which takes no mail for this domain";
    Some(Trouble::new((5, 4, 6), text).at(&equals.get(ours)?.name))
}

impl Host {
    /// How far the records that name it are proven.
    pub(in crate::flow) const fn security(&self) -> Security {
        self.security
    }

    /// Its name, if it has one.
    pub(in crate::flow) fn domain(&self) -> Option<&Domain> {
        match &self.place {
            Place::Name(name) => Some(name),
            Place::Address(_) => None,
        }
    }

    /// SNI: the name whose records vouch for the peer (RFC 7672 §8.1), else its own.
    pub(in crate::flow) fn asked_for<'a>(&'a self, dane: &'a Dane) -> &'a str {
        match dane {
            Dane::Usable { base, .. } => base.as_str(),
            Dane::None(_) | Dane::Unusable | Dane::Unknown(_) => &self.name,
        }
    }

    /// It is this server: by its name, or by one of its addresses as far as DNS says any.
    async fn is_ourselves(&self, flow: &Flow, dialer: &Dialer) -> bool {
        let Some(name) = self.domain().filter(|_| self.named_by == NamedBy::Stranger) else { return false };
        if *name == flow.config().hostname {
            return true;
        }
        match flow.dns.addresses(name).await.addresses {
            Answer::Records(_, addresses) => dialer.leads_here(&addresses),
            Answer::NoData(_) | Answer::NxDomain(_) | Answer::Bogus | Answer::Error(_) => false,
        }
    }

    /// Asks DNS about it; where its address cannot be had, that is the trouble.
    pub(in crate::flow) async fn survey(&self, flow: &Flow, demand: Demand) -> Result<Survey, Trouble> {
        let name = match &self.place {
            Place::Address(address) => {
                return Ok(Survey { addresses: vec![*address], dane: Dane::None(NoDane::Literal) });
            }
            Place::Name(name) => name,
        };
        let located = flow.dns.addresses(name).await;
        let dane = self.dane(flow, name, demand, &located).await;
        let addresses = match located.addresses {
            Answer::Records(_, addresses) => addresses,
            Answer::NoData(_) | Answer::NxDomain(_) => {
                return Err(Trouble::new((5, 4, 4), "has no address"));
            }
            Answer::Bogus => return Err(Trouble::new((4, 4, 3), "its DNSSEC signatures are not valid")),
            Answer::Error(why) => {
                return Err(Trouble::new((4, 4, 3), format!("address not found: {why}")));
            }
        };
        Ok(Survey { addresses, dane })
    }

    async fn dane(&self, flow: &Flow, name: &Domain, demand: Demand, located: &Located<IpAddr>) -> Dane {
        // Who validates is asked only where it makes a difference: without, nothing is secure anyway. What was asked for
        // before anybody did says so itself.
        if demand.requirement().wants_dane() && !matches!(flow.dns.validation().await, Validation::By(_)) {
            return Dane::None(NoDane::Off);
        }
        let mut question = dane::question(self.security, name, located);
        if question == Question::Alias {
            question = dane::behind_alias(name, &flow.dns.alias(name).await);
        }
        let names = match question {
            Question::Nothing(dane) => return dane,
            Question::Alias => Vec::new(),
            Question::Tlsa(names) => names,
        };
        for base in names {
            if let Some(dane) = dane::found(&base, flow.dns.tlsa(&base, self.port).await) {
                return dane.expanded_to(self.expanded.as_ref());
            }
        }
        Dane::None(NoDane::NoRecords)
    }
}
