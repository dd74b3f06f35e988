//! What is checked of every request before an application sees it, RFC 6733 §6.1 and §7.1.3.

use super::{NodeConfig, RELAY};
use crate::base::{BASE, Routing};
use crate::codec::dictionary::base::ORIGIN_HOST;
use crate::codec::grammar::missing;
use crate::codec::{CommandFlags, DecodeError, Message, ResultCode};

#[cfg(test)]
mod tests;

/// The checks in the order of RFC 6733: header (§3), application and command (§7.1.3), loop (§6.1.3),
/// destination (§6.1.4, §6.1.6). Reserved header bits are ignored (§3). Gives the Origin-Host.
///
/// # Errors
/// 3008, 3007, 3001, 3005, 3002, 3003, 5005 without Origin-Host, and as [`Routing::read`].
pub(super) fn request<'a>(node: &NodeConfig, message: &Message<'a>) -> Result<&'a str, DecodeError> {
    let header = &message.header;
    // §3: E "MUST NOT be set in request messages".
    if header.flags.has(CommandFlags::ERROR) {
        return Err(DecodeError::new(ResultCode::INVALID_HDR_BITS, "a request has the E bit"));
    }
    if header.application != BASE {
        let Some(application) = node.applications.iter().find(|a| a.id == header.application) else {
            return Err(DecodeError::new(
                ResultCode::APPLICATION_UNSUPPORTED,
                "this node does not support the application",
            ));
        };
        if !application.commands.contains(&header.command) {
            return Err(unknown_command());
        }
    } else {
        // CER, DWR and DPR have been taken care of; the other commands of the base protocol need sessions
        // or accounting, which S6a has none of.
        return Err(unknown_command());
    }
    let routing = Routing::read(message)?;
    let origin_host = routing.origin_host.ok_or_else(|| missing(&ORIGIN_HOST))?;
    // It is remembered, and stands in the log: no domain name is longer (RFC 6733 §4.3.1, RFC 1035 §2.3.4).
    if origin_host.len() > 255 || routing.origin_realm.is_some_and(|realm| realm.len() > 255) {
        let what = "Origin-Host or Origin-Realm is longer than 255 octets";
        return Err(DecodeError::new(ResultCode::INVALID_AVP_VALUE, what));
    }
    if routing.looped_through(&node.origin_host) {
        return Err(DecodeError::new(
            ResultCode::LOOP_DETECTED,
            "this node is in the request's Route-Record already",
        ));
    }
    let ours = |named: Option<&str>, own: &str| named.map(|name| name.eq_ignore_ascii_case(own));
    match (
        ours(routing.destination_host, &node.origin_host),
        ours(routing.destination_realm, &node.origin_realm),
    ) {
        // §6.1.4: a request whose Destination-Host we are is for us, and one without Destination-Host for
        // our realm. One without any destination was meant for whom it was sent to.
        (Some(true), _) | (None, Some(true) | None) => Ok(origin_host),
        // §2.4: a node that offers the relay application decides itself what it forwards, and answers the rest.
        _ if node.applications.iter().any(|application| application.id == RELAY) => Ok(origin_host),
        // §6.1.6, §7.1.3: no route to another realm, and no such host in ours.
        (_, Some(false)) => {
            Err(DecodeError::new(ResultCode::REALM_NOT_SERVED, "Destination-Realm is not served here"))
        }
        (Some(false), _) => Err(DecodeError::new(
            ResultCode::UNABLE_TO_DELIVER,
            "Destination-Host cannot be reached from here",
        )),
    }
}

fn unknown_command() -> DecodeError {
    DecodeError::new(ResultCode::COMMAND_UNSUPPORTED, "this node does not know the command")
}
