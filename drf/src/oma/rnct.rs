//! What of an RNCT goes into which characteristic, and back.

use std::str::FromStr;

use schemas::{
    rncp::Kind,
    rnct::{M2mContext, NapDef, Rnct, VERSION},
};
use uuid::Uuid;

use super::document::{Characteristic, Document, TextError};

/// APPID of OMA DM (OMNA's registry of AC files; OMA-TS-DM_Bootstrap-V1_2_1 §5).
const OMA_DM: &str = "w7";
/// PROVIDER-ID of the DPF: with the same identity, a later trigger replaces the account of an earlier one.
const PROVIDER_ID: &str = "callhome-dpf";
/// NAME of the VENDORCONFIG with the context of the RNCP's provisioning.
const RNCP: &str = "callhome-rncp";
/// NAME of the VENDORCONFIG with the context of the M2M application's provisioning.
const M2M: &str = "callhome-m2m";

/// The RNCT as a document of ProvCont 1.1.
///
/// | characteristic | from | holds |
/// |---|---|---|
/// | BOOTSTRAP | ProvCont (of WAP-183) | NAME; PROVURL: the DPF's URL, where more configuration comes from |
/// | NAPDEF | ProvCont (of WAP-183) | NAPID, NAME, BEARER, NAP-ADDRESS, NAP-ADDRTYPE; none in non-3GPP access |
/// | APPLICATION | ProvCont 1.1; what is in it by w7, OMA DM's AC file | the account of the DPF: APPID, PROVIDER-ID, NAME, TO-NAPID, INIT (connect now); APPADDR/ADDR: the DPF's URL |
/// | VENDORCONFIG `callhome-rncp` | ProvCont (of WAP-183) | context of the RNCP's provisioning |
/// | VENDORCONFIG `callhome-m2m` | ProvCont (of WAP-183) | context of the M2M application's provisioning |
///
/// VENDORCONFIG is what ProvCont has for vendors: it may be there several times, NAME tells whose it is, its other
/// parms are the vendor's own, and a device that does not know the NAME ignores it. An APPLICATION would need an APPID
/// that OMNA has registered. Times are seconds since 1970 UTC in decimal digits, as in the RNCT.
///
/// # Errors
/// A text of the RNCT that a document cannot carry: it has a control character, or is too long.
pub fn document(rnct: &Rnct) -> Result<Document, TextError> {
    let mut characteristics =
        vec![Characteristic::new("BOOTSTRAP")?.parm("NAME", "Callhome")?.parm("PROVURL", &rnct.dpf)?];
    if let Some(nap) = &rnct.napdef {
        characteristics.push(
            Characteristic::new("NAPDEF")?
                .parm("NAPID", &nap.id)?
                .parm("NAME", &nap.name)?
                .parm("BEARER", &nap.bearer)?
                .parm("NAP-ADDRESS", &nap.address)?
                .parm("NAP-ADDRTYPE", &nap.address_type)?,
        );
    }
    let mut application = Characteristic::new("APPLICATION")?
        .parm("APPID", OMA_DM)?
        .parm("PROVIDER-ID", PROVIDER_ID)?
        .parm("NAME", "Callhome DPF")?;
    if let Some(nap) = &rnct.napdef {
        application = application.parm("TO-NAPID", &nap.id)?;
    }
    let address = Characteristic::new("APPADDR")?.parm("ADDR", &rnct.dpf)?;
    characteristics.push(application.flag("INIT")?.with(address));
    characteristics.push(
        Characteristic::new("VENDORCONFIG")?
            .parm("NAME", RNCP)?
            .parm("VERSION", &rnct.version.to_string())?
            .parm("RNCT", &rnct.id.to_string())?
            .parm("PCID", &rnct.pcid.to_string())?
            .parm("SEQUENCE", &rnct.sequence.to_string())?
            .parm("ISSUED", &rnct.issued.to_string())?
            .parm("EXPIRES", &rnct.expires.to_string())?
            .parm("KIND", kind(rnct.kind))?
            .parm("OPERATOR", rnct.operator.as_str())?,
    );
    if let Some(m2m) = &rnct.m2m {
        characteristics.push(
            Characteristic::new("VENDORCONFIG")?
                .parm("NAME", M2M)?
                .parm("APPLICATION", &m2m.application)?
                .parm("URL", &m2m.url)?,
        );
    }
    Ok(Document { characteristics })
}

/// Why a document is not an RNCT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A characteristic is not there.
    #[error("characteristic {0} is missing: this document is not an RNCT")]
    Characteristic(&'static str),
    /// A parm is not there, or does not say what it should.
    #[error("parm {1} of {0} is missing or malformed")]
    Parm(&'static str, &'static str),
    /// Another version than [`VERSION`].
    #[error("version {0} of the RNCT is unsupported: {VERSION} is read")]
    Version(u32),
}

/// The RNCT that a document says: the opposite of [`document`].
///
/// # Errors
/// A characteristic or parm is missing or malformed, the version is another, or the DPF's URL is not https.
pub fn read(document: &Document) -> Result<Rnct, ReadError> {
    let context = vendor(document, RNCP).ok_or(ReadError::Characteristic("VENDORCONFIG callhome-rncp"))?;
    let version = parsed(context, RNCP, "VERSION")?;
    if version != VERSION {
        return Err(ReadError::Version(version));
    }
    let application = document
        .of("APPLICATION")
        .find(|one| one.value("APPID") == Some(OMA_DM) && one.value("PROVIDER-ID") == Some(PROVIDER_ID))
        .ok_or(ReadError::Characteristic("APPLICATION w7"))?;
    let dpf = application
        .characteristics
        .iter()
        .filter(|one| one.kind.as_str() == "APPADDR")
        .find_map(|one| one.value("ADDR"))
        .filter(|url| url.starts_with("https://"))
        .ok_or(ReadError::Parm("APPADDR", "ADDR"))?;
    Ok(Rnct {
        version,
        id: parsed::<Uuid>(context, RNCP, "RNCT")?,
        pcid: parsed(context, RNCP, "PCID")?,
        sequence: parsed(context, RNCP, "SEQUENCE")?,
        issued: parsed(context, RNCP, "ISSUED")?,
        expires: parsed(context, RNCP, "EXPIRES")?,
        napdef: nap(document, application)?,
        dpf: dpf.to_owned(),
        kind: [Kind::Initial, Kind::Update, Kind::Change]
            .into_iter()
            .find(|one| context.value("KIND") == Some(kind(*one)))
            .ok_or(ReadError::Parm(RNCP, "KIND"))?,
        operator: parsed(context, RNCP, "OPERATOR")?,
        m2m: match vendor(document, M2M) {
            Some(m2m) => Some(M2mContext {
                application: text(m2m, M2M, "APPLICATION")?.to_owned(),
                url: text(m2m, M2M, "URL")?.to_owned(),
            }),
            None => None,
        },
    })
}

/// The NAPDEF that the application is to be reached over.
fn nap(document: &Document, application: &Characteristic) -> Result<Option<NapDef>, ReadError> {
    const NAPDEF: &str = "NAPDEF";
    let Some(id) = application.value("TO-NAPID") else { return Ok(None) };
    let nap = document
        .of(NAPDEF)
        .find(|one| one.value("NAPID") == Some(id))
        .ok_or(ReadError::Characteristic("NAPDEF of TO-NAPID"))?;
    Ok(Some(NapDef {
        id: id.to_owned(),
        name: text(nap, NAPDEF, "NAME")?.to_owned(),
        bearer: text(nap, NAPDEF, "BEARER")?.to_owned(),
        address: text(nap, NAPDEF, "NAP-ADDRESS")?.to_owned(),
        address_type: text(nap, NAPDEF, "NAP-ADDRTYPE")?.to_owned(),
    }))
}

fn vendor<'a>(document: &'a Document, name: &str) -> Option<&'a Characteristic> {
    document.of("VENDORCONFIG").find(|one| one.value("NAME") == Some(name))
}

fn text<'a>(from: &'a Characteristic, of: &'static str, name: &'static str) -> Result<&'a str, ReadError> {
    from.value(name).ok_or(ReadError::Parm(of, name))
}

fn parsed<T: FromStr>(from: &Characteristic, of: &'static str, name: &'static str) -> Result<T, ReadError> {
    text(from, of, name)?.parse().map_err(|_| ReadError::Parm(of, name))
}

/// As the RNCT's CBOR writes it.
const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Initial => "initial",
        Kind::Update => "update",
        Kind::Change => "change",
    }
}
