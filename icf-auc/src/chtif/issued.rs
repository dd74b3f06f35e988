//! One issued credential as it leaves for the party that embeds it.

use schemas::{identity::Imsi, secret::Key128};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::{AuthMaterial, CallHomeTriple, Credential};

/// What goes into a device: the line of a batch file. It reads back as an import line of another Callhome.
///
/// It holds secrets in the clear and so has no Debug; where it leaves this process it is encrypted
/// ([`super::seal`]) or its reader has asked for plain text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedCredential {
    /// PCID.
    pub imsi: Imsi,
    /// K, 32 hexadecimal digits.
    pub k: Zeroizing<String>,
    /// OPc, 32 hexadecimal digits.
    pub opc: Zeroizing<String>,
    /// AMF, 4 hexadecimal digits.
    pub amf: String,
    /// Profile.
    pub profile: String,
    /// Bits of IND (TS 33.102 C.1.1.1).
    pub ind_bitlen: u8,
    /// The call-home triple, where one was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triple: Option<IssuedTriple>,
}

/// The triple as text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuedTriple {
    /// Call-home URL.
    pub url: String,
    /// User name.
    pub user: String,
    /// Password.
    pub password: Zeroizing<String>,
}

impl IssuedCredential {
    /// From what the store holds; `None` for one whose K never was here.
    #[must_use]
    pub fn of(credential: &Credential) -> Option<Self> {
        let AuthMaterial::Keys { k, opc } = &credential.auth else { return None };
        Some(Self {
            imsi: credential.imsi,
            k: Zeroizing::new(hex::encode(k.expose())),
            opc: Zeroizing::new(hex::encode(opc.expose())),
            amf: hex::encode(credential.amf),
            profile: credential.profile.clone(),
            ind_bitlen: credential.ind_bitlen,
            triple: credential.triple.as_ref().map(|CallHomeTriple { url, user, password }| IssuedTriple {
                url: url.clone(),
                user: user.clone(),
                password: password.clone(),
            }),
        })
    }

    /// K and OPc, parsed.
    ///
    /// # Errors
    /// If either is not 32 hexadecimal digits.
    pub fn keys(&self) -> Result<(Key128, Key128), schemas::secret::KeyError> {
        Ok((Key128::from_hex(&self.k)?, Key128::from_hex(&self.opc)?))
    }

    /// Appends it as one line of JSON.
    ///
    /// # Errors
    /// If memory cannot be written, that is never.
    pub fn write_line(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}
