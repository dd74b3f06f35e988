//! Update location (TS 29.272 §5.2.1.1): a serving node takes a subscriber over.

use s6a::{
    app::{
        APPLICATION_ID, SubscriptionData, TerminalInformation, UlaFlags, UlrFlags, UpdateLocationAnswer,
        UpdateLocationRequest,
    },
    base::Outcome,
};

use super::{
    Cause, Causes, Refused,
    admission::{Wanted, admit},
    clr, visited_plmn,
};
use crate::{
    model::{NodeKind, Rat, Registration, ServingNode, Snapshot, Timestamp},
    store::{Op, TakeOver},
};

/// What a ULR does, and what its answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// For the store, before the answer: [`Op::Register`], whose result has the address to answer with. The same
    /// transaction queues the CLRs.
    pub op: Op,
    /// Whether Subscription-Data is wanted in the answer.
    pub subscription_data: bool,
}

impl Update {
    /// The ULA; Session-Id, origin and Proxy-Info are the caller's to fill in. `data` is what
    /// [`with_data`](super::subscription::with_data) gives, left out where the node has it already.
    #[must_use]
    pub fn answer<'a>(&self, data: SubscriptionData<'a>) -> UpdateLocationAnswer<'a> {
        UpdateLocationAnswer {
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            // The registrations of MME and SGSN are kept apart (§7.3.8).
            ula_flags: Some(UlaFlags::SEPARATION),
            subscription_data: if self.subscription_data { Some(data) } else { None },
            ..UpdateLocationAnswer::default()
        }
    }
}

/// Decides about a ULR. All of it is judged before anything is stored, cancelled or counted (Open5GS does it
/// the other way round).
///
/// The previous node of the same kind gets a CLR, if it is another one. That of the other kind does when the
/// UE has attached here, or when the node says that it serves the UE alone (§5.2.1.1.3). Who they are is left to
/// the store: what is known of the subscriber here may be half a second old.
///
/// # Errors
/// Why it is refused; the answer has ULA-Flags all the same, since Open5GS looks for them in errors too.
pub fn decide(
    request: &UpdateLocationRequest<'_>,
    subscriber: Option<&Snapshot>,
    now: Timestamp,
    causes: &Causes,
) -> Result<Update, Refused> {
    let visited_plmn = visited_plmn(request.visited_plmn_id)?;
    let attach = request.ulr_flags.has(UlrFlags::INITIAL_ATTACH);
    let rat = Rat::from_code(request.rat_type.0);
    let wanted = Wanted { visited_plmn, rats: rat.as_slice(), attach };
    let subscriber = admit(subscriber, wanted, now, causes)?;
    let rat = rat.ok_or_else(|| causes.refuse(Cause::RatNotAllowed))?;

    let kind = if request.ulr_flags.has(UlrFlags::S6A) { NodeKind::Mme } else { NodeKind::Sgsn };
    let (credential, profile) = (&*subscriber.credential, &*subscriber.profile);
    let previous = subscriber.registered(kind).map(|it| &**it);
    let renewed = previous.filter(|it| it.node.is(request.origin_host));
    let told = request.terminal_information.as_ref().and_then(imei);
    let registration = Registration {
        imsi: credential.imsi,
        kind,
        node: ServingNode { host: request.origin_host.to_owned(), realm: request.origin_realm.to_owned() },
        visited_plmn,
        rat,
        address: credential.address,
        imei: told.or_else(|| renewed.and_then(|it| it.imei.clone())),
        registered_at: renewed.map_or(now, |it| it.registered_at),
        expires_at: now.plus(profile.registration_lifetime),
        purged: false,
    };

    let alone = request.ulr_flags.has(UlrFlags::SINGLE_REGISTRATION);
    let other = match kind {
        NodeKind::Mme => NodeKind::Sgsn,
        NodeKind::Sgsn => NodeKind::Mme,
    };
    let other_kind = match (attach, alone) {
        (true, _) => Some(clr::initial_attach()),
        (false, true) => Some(clr::taken_over(other)),
        (false, false) => None,
    };
    let op = Op::Register {
        registration: Box::new(registration),
        count_attach: attach,
        pool: profile.address_pool.filter(|_| credential.address.is_none()),
        take_over: TakeOver { same_kind: Some(clr::taken_over(kind)), other_kind },
        // Whether there is a DRF to be told is not the procedure's business.
        notify: false,
    };
    let skip = request.ulr_flags.has(UlrFlags::SKIP_SUBSCRIBER_DATA);
    Ok(Update { op, subscription_data: !skip })
}

/// IMEI and software version as Terminal-Information tells them: 14 digits and 2 of version where both are
/// there (IMEISV, TS 23.003 §6.2.2), else the IMEI's 14 or 15. None where they are not digits.
pub(super) fn imei(terminal: &TerminalInformation<'_>) -> Option<String> {
    fn digits(text: &str) -> bool {
        text.bytes().all(|c| c.is_ascii_digit())
    }
    let imei = terminal.imei.filter(|imei| (14..=15).contains(&imei.len()) && digits(imei))?;
    match terminal.software_version.filter(|version| version.len() == 2 && digits(version)) {
        Some(version) => Some(format!("{}{version}", &imei[..14])),
        None => Some(imei.to_owned()),
    }
}

#[cfg(test)]
mod tests;
