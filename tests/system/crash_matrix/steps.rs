//! Where a flow is held: before each of the seed's nineteen steps, and after the last.
//!
//! Three pairs have one place between them, since nobody outside could tell them apart:
//!
//! - 6 and 7: that the notice has arrived (6), and who the operator is and what the RNCT says (7), is one transaction of the
//!   DRF. It is held before, and after.
//! - 11 and 12: what the PVA has been asked, and has not looked at yet, is in no state of its own or of the SHO's. It is held
//!   before: the PVA is stopped with the request on its doorstep; and after: the verdict is there, and has not arrived (13).
//! - 13 and 14: a verdict that the SHO has taken, and what it composes because of it, are states of the SHO alone, which
//!   follow each other within it (`sho::crash` stops it at every write in between). It is held before, and after.
//!
//! By other than 3GPP access a flow begins with step 6, and the DRF answers where it would have sent: 6, 7 and 8 are one
//! request, held on its way there and on its way back.

use anyhow::Result;
use harness::{
    gate::Held,
    roles::{Access, Role},
};

use super::{
    Flow,
    hold::{Hold, Way, Who},
};

/// A place where the flow can be held.
pub(super) struct Step {
    /// The seed's number of what cannot happen here, and what that is.
    pub(super) before: &'static str,
    /// What keeps it from happening.
    pub(super) hold: Hold,
    /// Whether everything before has happened.
    pub(super) reached: fn(&Flow) -> Result<bool>,
}

/// Capabilities-Exchange (RFC 6733 §5.3.1).
const CER: u32 = 257;
/// Authentication-Information (TS 29.272 §7.2.5).
const AIR: u32 = 318;
/// Update-Location (TS 29.272 §7.2.3).
const ULR: u32 = 316;

const fn stopped(role: Role) -> Hold {
    Hold::Stopped(Who::Role(role))
}

const DEVICE: Hold = Hold::Stopped(Who::Device);

/// 1 to 8 by 3GPP access.
const EPS: [Step; 8] = [
    Step {
        before: "1, the device attaches",
        // The MME has no CEA, so it takes no device. The ICF itself is ready: the lab waits for that.
        hold: Hold::Gate(Way::Icf, Held::Request(CER)),
        reached: |_| Ok(true),
    },
    Step {
        before: "2, the MME asks the ICF",
        hold: Hold::Gate(Way::Icf, Held::Request(AIR)),
        reached: |_| Ok(true),
    },
    Step {
        before: "3, the ICF makes a vector",
        hold: stopped(Role::Icf),
        reached: |flow| Ok(!flow.gates.at(Way::Icf).holds()),
    },
    Step {
        before: "4, the vector reaches the MME",
        hold: Hold::Gate(Way::Icf, Held::Answer(AIR)),
        reached: |_| Ok(true),
    },
    Step {
        before: "5, the USIM takes the vector",
        hold: DEVICE,
        reached: |flow| Ok(!flow.gates.at(Way::Icf).holds()),
    },
    Step {
        before: "6, the ICF knows where the device is",
        hold: Hold::Gate(Way::Icf, Held::Request(ULR)),
        reached: |flow| flow.authenticated(),
    },
    Step {
        before: "7, the DRF finds the operator",
        hold: stopped(Role::Drf),
        reached: |flow| flow.attached_with_pcid(),
    },
    Step { before: "8, the RNCT reaches the device", hold: DEVICE, reached: |flow| flow.triggered() },
];

/// 6 to 8 by other access.
const IP: [Step; 2] = [
    Step {
        before: "6, the device says where it is",
        hold: Hold::Gate(Way::Drf, Held::Hello),
        reached: |_| Ok(true),
    },
    Step {
        before: "8, the RNCT reaches the device",
        hold: Hold::Gate(Way::Drf, Held::TlsAnswer),
        reached: |flow| flow.triggered(),
    },
];

/// 9 to 19, by any access.
const BOTH: [Step; 11] = [
    Step {
        before: "9, the device asks the DPF",
        hold: stopped(Role::Dpf),
        reached: |flow| flow.says("trigger_taken"),
    },
    Step {
        before: "10, the evidence reaches the SHO",
        hold: stopped(Role::Sho),
        reached: |flow| flow.session(&["relaying"]),
    },
    Step {
        before: "11 and 12, the PVA validates",
        hold: stopped(Role::Pva),
        reached: |flow| flow.operator(&["received"]),
    },
    Step {
        before: "13, the verdict reaches the SHO",
        hold: Hold::Gate(Way::Pva, Held::TlsAnswer),
        reached: |flow| Ok(flow.validated()? && flow.operator(&["received"])?),
    },
    Step {
        before: "15, and after 14: the HSS knows the subscription",
        hold: stopped(Role::Hss),
        reached: |flow| flow.operator(&["composed"]),
    },
    Step {
        before: "15, the RNCP reaches the DPF",
        hold: stopped(Role::Dpf),
        reached: |flow| flow.operator(&["published", "answered"]),
    },
    Step {
        before: "16, the RNCP reaches the device",
        hold: DEVICE,
        reached: |flow| flow.session(&["authorised"]),
    },
    Step {
        before: "17, the TRE has the RNCP",
        hold: Hold::Disk,
        reached: |flow| flow.session(&["downloading"]),
    },
    Step {
        before: "18, the report reaches the DPF",
        hold: stopped(Role::Dpf),
        reached: |flow| flow.says("installed"),
    },
    Step {
        before: "19, the report reaches the SHO",
        hold: stopped(Role::Sho),
        reached: |flow| flow.session(&["reported"]),
    },
    Step {
        before: "the end, the DRF knows of it",
        hold: stopped(Role::Drf),
        reached: |flow| flow.session(&["closed"]),
    },
];

/// In the order of the seed.
pub(super) fn of(access: Access) -> Vec<Step> {
    let own: Vec<Step> = match access {
        Access::Eps => EPS.into_iter().collect(),
        Access::Ip => IP.into_iter().collect(),
    };
    own.into_iter().chain(BOTH).collect()
}
