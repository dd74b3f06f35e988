//! What decides where a request goes, RFC 6733 §6.1, without reading the rest of it.

use crate::codec::{DecodeError, Message, RawAvp, Repeated, Value, avp::MAX_DEPTH, dictionary::base::*};

/// The AVPs of RFC 6733 §6 that routing, duplicate detection and answering need, of any command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Routing<'a> {
    /// Session-Id (§8.8).
    pub session_id: Option<&'a str>,
    /// Origin-Host (§6.3).
    pub origin_host: Option<&'a str>,
    /// Origin-Realm (§6.4).
    pub origin_realm: Option<&'a str>,
    /// Destination-Host (§6.5).
    pub destination_host: Option<&'a str>,
    /// Destination-Realm (§6.6).
    pub destination_realm: Option<&'a str>,
    /// User-Name (§8.14): in S6a the IMSI.
    pub user_name: Option<&'a str>,
    /// Route-Record (§6.7.1), in order.
    pub route_record: Repeated<'a, &'a str>,
    /// Proxy-Info (§6.7.2), in order.
    pub proxy_info: Repeated<'a, RawAvp<'a>>,
}

impl<'a> Routing<'a> {
    /// Reads them; of what occurs twice, the first counts.
    ///
    /// # Errors
    /// 5014 if the message cannot be read to its end, 5004 for a text that is not UTF-8.
    pub fn read(message: &Message<'a>) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for avp in message.avps() {
            let avp = avp?;
            if avp.vendor != 0 {
                continue;
            }
            let slot = match avp.code {
                c if c == SESSION_ID.code => &mut read.session_id,
                c if c == ORIGIN_HOST.code => &mut read.origin_host,
                c if c == ORIGIN_REALM.code => &mut read.origin_realm,
                c if c == DESTINATION_HOST.code => &mut read.destination_host,
                c if c == DESTINATION_REALM.code => &mut read.destination_realm,
                c if c == USER_NAME.code => &mut read.user_name,
                c if c == ROUTE_RECORD.code => {
                    read.route_record.note(message.body(), &avp, MAX_DEPTH)?;
                    continue;
                }
                c if c == PROXY_INFO.code => {
                    read.proxy_info.note(message.body(), &avp, MAX_DEPTH)?;
                    continue;
                }
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(<&str>::read(&avp, MAX_DEPTH)?);
            }
        }
        Ok(read)
    }

    /// Whether this node has seen the request before (RFC 6733 §6.1.3): 3005.
    #[must_use]
    pub fn looped_through(&self, identity: &str) -> bool {
        self.route_record.iter().any(|host| host.eq_ignore_ascii_case(identity))
    }
}
