//! Update location (TS 29.272 §5.2.1.1): a serving node takes a subscriber over.

use s6a::{
    app::{
        APPLICATION_ID, FeatureList1, FeatureList2, SubscriptionData, SupportedFeatures, TerminalInformation,
        UlaFlags, UlrFlags, UpdateLocationAnswer, UpdateLocationRequest,
    },
    base::Outcome,
    codec::Experimental,
};
use schemas::subscription::Barring;

use super::{
    Cause, Causes, Refused,
    admission::{Wanted, admit},
    clr,
    features::NodeFeatures,
    subscription::Recipient,
    visited_plmn,
};
use crate::{
    model::{NodeKind, NodeReport, Profile, Rat, Registration, ServingNode, Snapshot, Timestamp},
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
    /// Whether the MME is registered for SMS now (TS 29.272 §7.3.8).
    pub registered_for_sms: bool,
    /// Supported-Features of the answer: what both sides have (§7.3.10).
    pub features: Vec<SupportedFeatures>,
    /// To whom Subscription-Data goes.
    pub recipient: Recipient,
}

impl Update {
    /// The ULA; Session-Id, origin and Proxy-Info are the caller's to fill in. `data` is what
    /// [`with_data`](super::subscription::with_data) gives, left out where the node has it already.
    #[must_use]
    pub fn answer<'a>(&'a self, data: SubscriptionData<'a>) -> UpdateLocationAnswer<'a> {
        // The registrations of MME and SGSN are kept apart (§7.3.8).
        let separate = UlaFlags::SEPARATION;
        UpdateLocationAnswer {
            vendor_specific_application_id: Some(APPLICATION_ID),
            outcome: Outcome::SUCCESS,
            supported_features: (&self.features[..]).into(),
            ula_flags: Some(match self.registered_for_sms {
                true => separate.with(UlaFlags::MME_REGISTERED_FOR_SMS),
                false => separate,
            }),
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

    let features = NodeFeatures::told(request.supported_features);
    refuse_barred(&subscriber.profile, features)?;
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
        report: NodeReport {
            features: features.0,
            sms_number: sms_number(request, kind, profile, features)
                .or_else(|| kept_sms_number(request, renewed)),
            ims_voice: flag(request.homogeneous_support_of_ims_voice),
            srvcc: flag(request.ue_srvcc_capability),
        },
    };
    let registered_for_sms = registration.report.sms_number.is_some();

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
    Ok(Update {
        op,
        subscription_data: !skip,
        registered_for_sms,
        features: features.common(),
        recipient: Recipient { features, update: false },
    })
}

/// Refuses who is barred from all packet services at a node that tells its features and not that it keeps to this
/// (TS 29.272 §7.3.10, ODB-all-APN). A node that tells no features is told of the barring.
fn refuse_barred(profile: &Profile, node: NodeFeatures) -> Result<(), Refused> {
    let barred = profile.barring.contains(&Barring::AllPacketServices);
    if barred && !node.may_know(FeatureList1::ODB_ALL_APN) {
        let what = "the subscriber is barred from packet services, and the node does not support barring";
        return Err(Refused::new(Experimental::ROAMING_NOT_ALLOWED.into(), what));
    }
    Ok(())
}

/// SMS-Register-Request, TS 29.272 §7.3.162: the MME would rather not be registered.
const SMS_REGISTRATION_NOT_PREFERRED: u32 = 1;

/// The number of an MME that is registered for SMS with this request: it supports the feature, asks for it or has no
/// preference, and the subscriber has short messages by way of it (TS 29.272 §5.2.1.1.3, TS 23.272 §C.8.1).
fn sms_number(
    request: &UpdateLocationRequest<'_>,
    kind: NodeKind,
    profile: &Profile,
    node: NodeFeatures,
) -> Option<String> {
    let asked = request.sms_register_request.is_some_and(|it| it != SMS_REGISTRATION_NOT_PREFERRED);
    let subscribed = profile.sms.is_some() && kind == NodeKind::Mme;
    let number = request.mme_number_for_mt_sms.and_then(digits)?;
    Some(number).filter(|_| asked && subscribed && node.has(FeatureList2::SMS_IN_MME))
}

/// A ULR that does not speak of SMS leaves the MME registered for it, unless the UE attaches anew.
fn kept_sms_number(request: &UpdateLocationRequest<'_>, renewed: Option<&Registration>) -> Option<String> {
    let silent = request.sms_register_request.is_none() && !request.ulr_flags.has(UlrFlags::INITIAL_ATTACH);
    renewed.filter(|_| silent)?.report.sms_number.clone()
}

/// The digits of a number in TBCD (TS 29.329 §6.3.2). MME-Number-for-MT-SMS has them alone (TS 29.272 §7.3.159).
fn digits(tbcd: &[u8]) -> Option<String> {
    let mut halves = tbcd.iter().flat_map(|octet| [octet & 15, octet >> 4]).peekable();
    let mut digits = String::new();
    while let Some(half) = halves.next() {
        match half {
            0..=9 => digits.push(char::from(b'0' + half)),
            15 if halves.peek().is_none() => {}
            _ => return None,
        }
    }
    Some(digits).filter(|digits| (1..=15).contains(&digits.len()))
}

/// 0 is not supported, 1 supported (TS 29.272 §7.3.107, §7.3.130).
fn flag(value: Option<u32>) -> Option<bool> {
    match value? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
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
