//! What the lab's roles are configured with: one file a role, as an operator would write it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use ipnet::Ipv4Net;
use schemas::{identity::OperatorId, trust::ServerRole};

use super::setup::{Bearer, Folder};
use crate::cmd::pki::{Pair, RoleHost, Tree, Wanted};

/// Origin-Host of the simulated MME of the visited network.
pub const MME: &str = "mme.epc.mnc070.mcc999.3gppnetwork.org";
/// Its Origin-Realm.
pub const MME_REALM: &str = "epc.mnc070.mcc999.3gppnetwork.org";
/// Origin-Host of the MME of the registry, if it is the visited network too; its realm is the ICF's.
pub const REGISTRY_MME: &str = "mme.epc.mnc071.mcc999.3gppnetwork.org";
/// Origin-Host of the ICF.
pub const ICF: &str = "icf.epc.mnc071.mcc999.3gppnetwork.org";
/// Origin-Realm of the ICF: what an MME derives from the PCIDs' PLMN 999-71 (TS 23.003 §19.2).
pub const REALM: &str = "epc.mnc071.mcc999.3gppnetwork.org";
/// Origin-Host of the HSS of the operator `sho-a`.
pub const HSS: &str = "hss.epc.mnc001.mcc999.3gppnetwork.org";
/// Its Origin-Realm.
pub const HSS_REALM: &str = "epc.mnc001.mcc999.3gppnetwork.org";
/// Origin-Host of the simulated MME in the operator's own network.
pub const HOME_MME: &str = "mme.epc.mnc001.mcc999.3gppnetwork.org";
/// The operator.
pub const OPERATOR: &str = "sho-a";
/// The supplier of the lab's devices.
pub const SUPPLIER: &str = "acme";
/// APN of the operator's service.
pub const APN: &str = "internet";
/// APN of a device with its PCID.
pub const PROVISIONING_APN: &str = "provisioning";

/// Where the roles listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// The ICF's Diameter.
    pub diameter: SocketAddr,
    /// The ICF's REST.
    pub rest: SocketAddr,
    /// The first of the other roles' ports, on loopback.
    pub base: u16,
    /// Where devices take triggers.
    pub coap: u16,
    /// The address of what devices ask.
    pub devices: IpAddr,
    /// Addresses of devices with a PCID.
    pub pool: Ipv4Net,
    /// Addresses of the operator's subscribers.
    pub home_pool: Ipv4Net,
}

impl Ports {
    fn at(self, offset: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.base.saturating_add(offset))
    }
    /// DRF: REST.
    pub fn drf(self) -> SocketAddr {
        self.at(0)
    }
    /// DRF: devices over HTTPS; devices over CoAP on the same number.
    pub fn drf_device(self) -> SocketAddr {
        SocketAddr::new(self.devices, self.at(1).port())
    }
    /// DPF: REST.
    pub fn dpf(self) -> SocketAddr {
        self.at(2)
    }
    /// DPF: devices.
    pub fn dpf_device(self) -> SocketAddr {
        SocketAddr::new(self.devices, self.at(3).port())
    }
    /// SHO: REST.
    pub fn sho(self) -> SocketAddr {
        self.at(4)
    }
    /// PVA: REST.
    pub fn pva(self) -> SocketAddr {
        self.at(5)
    }
    /// PVA: OCSP.
    pub fn ocsp(self) -> SocketAddr {
        self.at(6)
    }
    /// The operator's HSS: REST.
    pub fn hss(self) -> SocketAddr {
        self.at(7)
    }
    /// The operator's HSS: Diameter.
    pub fn hss_diameter(self) -> SocketAddr {
        self.at(8)
    }
}

/// The configurations, written.
#[derive(Debug)]
pub struct Roles {
    /// Of each role.
    pub icf: PathBuf,
    /// The operator's own HSS: the same program with other numbers.
    pub hss: PathBuf,
    /// DRF.
    pub drf: PathBuf,
    /// DPF.
    pub dpf: PathBuf,
    /// SHO.
    pub sho: PathBuf,
    /// PVA.
    pub pva: PathBuf,
    /// May do everything, everywhere in the lab.
    pub admin: Bearer,
    /// Keys and certificates.
    pub pki: Tree,
}

/// What stands in every role's file.
struct Common<'a> {
    folder: &'a Folder,
    admin: &'a Bearer,
    pki: &'a Tree,
}

impl Common<'_> {
    /// `[database]`, `[keys]`, `[log]`, and `[rest]` with the admin's token and those of other roles.
    fn text(
        &self,
        role: &str,
        listen: SocketAddr,
        tls: Option<Pair>,
        others: &[(&str, &str, &Bearer)],
    ) -> anyhow::Result<String> {
        let key = self.folder.at_rest_key(role)?;
        let database = self.folder.path(&format!("{role}.db"));
        let mut tokens =
            vec![format!("{{ name = \"lab\", hash = \"{}\", scopes = [\"admin\"] }}", self.admin.hash)];
        for (name, scopes, bearer) in others {
            tokens.push(format!("{{ name = \"{name}\", hash = \"{}\", scopes = {scopes} }}", bearer.hash));
        }
        let tls = tls.map_or(String::new(), |pair| format!("tls = {}\n", pair_of(&pair)));
        Ok(format!(
            "[database]\nurl = \"sqlite://{}\"\n\n[keys]\nat_rest = {{ file = {key:?} }}\n\n[log]\nfilter = \"warn\"\n\n\
             [rest]\nlisten = \"{listen}\"\n{tls}tokens = [\n  {},\n]\n\n",
            database.display(),
            tokens.join(",\n  ")
        ))
    }

    /// Another role's REST.
    fn peer(&self, section: &str, at: SocketAddr, bearer: &Bearer) -> String {
        format!(
            "[{section}]\nurl = \"https://{at}\"\ntoken = {{ file = {:?} }}\nca = {:?}\n\n",
            bearer.file,
            self.pki.root().cert
        )
    }
}

fn pair_of(pair: &Pair) -> String {
    format!("{{ cert = {:?}, key = {:?} }}", pair.cert, pair.key)
}

impl Roles {
    /// Subcommand and configuration of each, those first that others ask.
    pub fn all(&self) -> [(&'static str, &PathBuf); 6] {
        [
            ("icf", &self.hss),
            ("icf", &self.icf),
            ("pva", &self.pva),
            ("sho", &self.sho),
            ("dpf", &self.dpf),
            ("drf", &self.drf),
        ]
    }

    /// Makes keys, certificates and tokens that are not there, and writes every role's configuration.
    ///
    /// # Errors
    /// Which file cannot be made.
    pub fn write(folder: &Folder, ports: Ports, open5gs_hss: Option<&str>) -> anyhow::Result<Self> {
        let pki = Tree::at(&folder.make("pki")?);
        let operator: OperatorId = OPERATOR.parse()?;
        let mut hosts = RoleHost::loopback();
        if ports.devices != IpAddr::V4(Ipv4Addr::LOCALHOST) {
            // What devices ask: the DRF and the DPF.
            let device_port = |role| RoleHost { role: Some(role), name: ports.devices.to_string() };
            hosts.extend([ServerRole::Drf, ServerRole::Dpf].map(device_port));
        }
        pki.make(&Wanted {
            operators: vec![operator.clone()],
            suppliers: vec![SUPPLIER.parse()?],
            hosts,
            serves: Vec::new(),
            permit: Vec::new(),
            days: 3650,
        })?;
        let admin = folder.token("token")?;
        folder.make("tokens")?;
        let token = |who: &str, at: &str| folder.token(&format!("tokens/{who}-at-{at}"));
        let common = Common { folder, admin: &admin, pki: &pki };

        let (icf_drf, drf_icf, dpf_icf) = (token("icf", "drf")?, token("drf", "icf")?, token("dpf", "icf")?);
        let (dpf_drf, dpf_sho, dpf_pva) = (token("dpf", "drf")?, token("dpf", "sho")?, token("dpf", "pva")?);
        let (sho_pva, sho_hss, sho_dpf) = (token("sho", "pva")?, token("sho", "hss")?, token("sho", "dpf")?);
        let platform_ca = pki.platform_ca().cert;
        let root = pki.root().cert;
        // Asked by DRF and DPF. All of a lab's devices have one address, and so all connections.
        let ocsp = format!("http://{}", ports.ocsp());

        let plain_icf = |role: &str, pool: Ipv4Net, (host, realm): (&str, &str), mmes: &[&str]| {
            let peers: Vec<String> = mmes.iter().map(|mme| format!("{{ identity = \"{mme}\" }}")).collect();
            format!(
                "[diameter]\norigin_host = \"{host}\"\norigin_realm = \"{realm}\"\nlisten = [\"tcp://{}\"]\npeers = [{}]\n\n\
                 [icf]\ninstance = \"{role}\"\naddress_pool = \"{pool}\"\n\n",
                if role == "icf" { ports.diameter } else { ports.hss_diameter() },
                peers.join(", ")
            )
        };
        // Plain HTTP on loopback: what the first lines of the README talk to.
        let icf = common.text(
            "icf",
            ports.rest,
            None,
            &[
                ("drf", "[\"credentials:read\", \"credentials:write\", \"chtif:verify\"]", &drf_icf),
                ("dpf", "[\"chtif:verify\"]", &dpf_icf),
            ],
        )? + &plain_icf(
            "icf",
            ports.pool,
            (ICF, REALM),
            &[MME, REGISTRY_MME, HOME_MME, "mme.localdomain"],
        ) + &common.peer("drf", ports.drf(), &icf_drf);
        let hss = common.text(
            "hss",
            ports.hss(),
            Some(pki.tls("icf")),
            &[("sho", "[\"credentials:read\", \"credentials:write\"]", &sho_hss)],
        )? + &plain_icf("hss", ports.home_pool, (HSS, HSS_REALM), &[HOME_MME, MME]);

        let drf = common.text(
            "drf",
            ports.drf(),
            Some(pki.tls("drf")),
            &[
                ("icf", "[\"notices:write\"]", &icf_drf),
                ("dpf", "[\"triggers:write\", \"devices:write\", \"devices:read\"]", &dpf_drf),
            ],
        )? + &format!(
            "[device]\nlisten = \"{device}\"\ntls = {}\nplatform_ca = {platform_ca:?}\nocsp = {{ url = \"{ocsp}\" }}\n\
             limits = {{ connections_per_source = 0 }}\n\n\
             [coap]\nlisten = \"{device}\"\ndevice_port = {}\n\n\
             [drf]\noperator = \"registry\"\nsigning = {}\ndpf = \"https://{}\"\nrnct_lifetime = \"1h\"\n\
             after_success = \"revoke\"\nfull_profile = \"full\"\ntrigger_networks = [\"{home_pool}\"]\n\n\
             [drf.napdef]\nid = \"callhome\"\nname = \"Callhome\"\nbearer = \"GSM-GPRS\"\naddress = \"provisioning\"\n\
             address_type = \"APN\"\n\n",
            pair_of(&pki.tls("drf")),
            ports.coap,
            pair_of(&pki.signing("drf")),
            ports.dpf_device(),
            device = ports.drf_device(),
            home_pool = ports.home_pool,
        ) + &format!(
            "[icf]\nurl = \"http://{}\"\ntoken = {{ file = {:?} }}\n\n",
            ports.rest, drf_icf.file
        );

        let dpf = common.text(
            "dpf",
            ports.dpf(),
            Some(pki.tls("dpf")),
            &[("sho-a", "[\"updates:write\", \"operator:sho-a\"]", &sho_dpf)],
        )? + &format!(
            "[device]\nlisten = \"{}\"\ntls = {}\nplatform_ca = {platform_ca:?}\nocsp = {{ url = \"{ocsp}\" }}\n\
             limits = {{ connections_per_source = 0 }}\n\n\
             [dpf]\nsession_lifetime = \"1h\"\nanchors = {root:?}\n\n",
            ports.dpf_device(),
            pair_of(&pki.tls("dpf")),
        ) + &common.peer("drf", ports.drf(), &dpf_drf)
            + &common.peer("pva", ports.pva(), &dpf_pva)
            + &format!("[icf]\nurl = \"http://{}\"\ntoken = {{ file = {:?} }}\n\n", ports.rest, dpf_icf.file)
            + &format!(
                "[[operators]]\nid = \"{operator}\"\nurl = \"https://{}\"\ntoken = {{ file = {:?} }}\nca = {root:?}\n\
                 sealing_key = {:?}\n\n",
                ports.sho(),
                dpf_sho.file,
                pki.sealing(&operator).1
            );

        let sho = common.text(
            "sho",
            ports.sho(),
            Some(pki.tls(OPERATOR)),
            &[("dpf", "[\"provisioning:write\"]", &dpf_sho)],
        )? + &format!(
            "[sho]\noperator = \"{operator}\"\nplmn = \"999-01\"\napn = \"{APN}\"\nsigning = {}\nsealing_key = {:?}\n\
             anchors = {root:?}\n\n",
            pair_of(&pki.signing(OPERATOR)),
            pki.sealing(&operator).0
        ) + &common.peer("pva", ports.pva(), &sho_pva)
            + &common.peer("dpf", ports.dpf(), &sho_dpf)
            + "[policy]\nvalidate_before_download = true\n\n"
            + &match open5gs_hss {
                Some(url) => {
                    format!("[[connectors]]\nkind = \"open5gs\"\nurl = \"{url}\"\ndatabase = \"open5gs\"\n\n")
                }
                None => format!(
                    "[[connectors]]\nkind = \"callhome\"\nurl = \"https://{}\"\ntoken = {{ file = {:?} }}\nca = {root:?}\n\
                 profile = \"default\"\n\n",
                    ports.hss(),
                    sho_hss.file
                ),
            };

        let pva = common.text(
            "pva",
            ports.pva(),
            Some(pki.tls("pva")),
            &[
                ("dpf", "[\"nonces:write\", \"validations:write\", \"platforms:write\"]", &dpf_pva),
                ("sho", "[\"validations:write\"]", &sho_pva),
            ],
        )? + &format!(
            "[pva]\nname = \"pva\"\nsigning = {}\nplatform_ca = {}\nanchors = {root:?}\n\n\
             [ocsp]\nlisten = \"{ocsp}\"\nurl = \"http://{ocsp}\"\nsigning = {}\n\n",
            pair_of(&pki.signing("pva")),
            pair_of(&pki.platform_ca()),
            pair_of(&pki.ocsp()),
            ocsp = ports.ocsp(),
        );

        Ok(Self {
            icf: folder.config("icf", &icf)?,
            hss: folder.config("hss", &hss)?,
            drf: folder.config("drf", &drf)?,
            dpf: folder.config("dpf", &dpf)?,
            sho: folder.config("sho", &sho)?,
            pva: folder.config("pva", &pva)?,
            admin,
            pki,
        })
    }
}
