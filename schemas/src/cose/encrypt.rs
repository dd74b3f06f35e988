//! COSE_Encrypt (RFC 9052 §5.1) to a P-256 key: A256GCM content, one recipient ECDH-ES+A256KW (RFC 9053 §6.4.1) with an
//! ephemeral key, its key-encryption key by HKDF-SHA-256 (§5.1) over the COSE_KDF_Context (§5.2).

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use aes_kw::KwAes256;
use coset::{
    AsCborValue, CborSerializable, CoseEncrypt, CoseEncryptBuilder, CoseKdfContextBuilder, CoseKey,
    CoseKeyBuilder, CoseRecipient, CoseRecipientBuilder, Header, HeaderBuilder, Label, ProtectedHeader,
    RegisteredLabelWithPrivate, SuppPubInfo, TaggedCborSerializable, cbor::Value, iana,
};
use hkdf::Hkdf;
use p256::{PublicKey, ecdh, ecdsa::VerifyingKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{CoseError, PrivateKey};

/// Header label of the ephemeral key, RFC 9053 §6.3.1.
const EPHEMERAL: i64 = -1;
/// Octets of an A256GCM nonce, RFC 9053 §4.1.
const NONCE: usize = 12;
/// Octets of an AES-256 key wrapped (RFC 3394).
const WRAPPED: usize = 40;

/// Encrypts to `key`, bound to `aad`; gives a tagged COSE_Encrypt.
///
/// # Errors
/// If the system gives no random numbers.
pub fn encrypt(plaintext: &[u8], aad: &[u8], key: &VerifyingKey) -> Result<Vec<u8>, CoseError> {
    let ephemeral = PrivateKey::generate()?;
    let mut cek = Zeroizing::new([0; 32]);
    let mut nonce = [0; NONCE];
    getrandom::fill(cek.as_mut_slice()).map_err(|_| CoseError::Random)?;
    getrandom::fill(&mut nonce).map_err(|_| CoseError::Random)?;

    let protected = HeaderBuilder::new().algorithm(iana::Algorithm::ECDH_ES_A256KW).build();
    let protected = ProtectedHeader { original_data: None, header: protected };
    let kek = kek(&ephemeral, &PublicKey::from(*key), &protected)?;
    let mut wrapped = [0; WRAPPED];
    kek.wrap_key(cek.as_slice(), &mut wrapped).map_err(|_| CoseError::DoesNotOpen)?;
    let point = ephemeral.public().to_sec1_point(false);
    let point = point.as_bytes();
    let (x, y) = (point.get(1..33).unwrap_or_default(), point.get(33..65).unwrap_or_default());
    let ephemeral =
        CoseKeyBuilder::new_ec2_pub_key(iana::EllipticCurve::P_256, x.to_vec(), y.to_vec()).build();
    let ephemeral = ephemeral.to_cbor_value().map_err(|_| CoseError::Malformed("COSE_Key"))?;
    let recipient = CoseRecipientBuilder::new()
        .protected(protected.header)
        .unprotected(HeaderBuilder::new().value(EPHEMERAL, ephemeral).build())
        .ciphertext(wrapped.to_vec())
        .build();

    let header = HeaderBuilder::new().algorithm(iana::Algorithm::A256GCM).build();
    CoseEncryptBuilder::new()
        .protected(header)
        .unprotected(HeaderBuilder::new().iv(nonce.to_vec()).build())
        .try_create_ciphertext(plaintext, aad, |plaintext, aad| {
            let cipher = Aes256Gcm::new_from_slice(cek.as_slice()).map_err(|_| CoseError::Key)?;
            let payload = Payload { msg: plaintext, aad };
            cipher.encrypt(&nonce.into(), payload).map_err(|_| CoseError::DoesNotOpen)
        })?
        .add_recipient(recipient)
        .build()
        .to_tagged_vec()
        .map_err(|_| CoseError::Malformed("COSE_Encrypt"))
}

/// Opens what was encrypted to `key` and bound to `aad`.
///
/// # Errors
/// If it is something else, or does not open; which of the reasons for the latter is not told.
pub fn decrypt(octets: &[u8], aad: &[u8], key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, CoseError> {
    let message = CoseEncrypt::from_tagged_slice(octets).or_else(|_| CoseEncrypt::from_slice(octets));
    let message = message.map_err(|_| CoseError::Malformed("COSE_Encrypt"))?;
    algorithm(&message.protected.header, iana::Algorithm::A256GCM, "the content is not A256GCM")?;
    let nonce: [u8; NONCE] = message
        .unprotected
        .iv
        .as_slice()
        .try_into()
        .map_err(|_| CoseError::Malformed("COSE_Encrypt with an IV of 12 octets"))?;
    let [recipient] = message.recipients.as_slice() else {
        return Err(CoseError::Unsupported("an RNCP part has one recipient: the platform key"));
    };
    algorithm(
        &recipient.protected.header,
        iana::Algorithm::ECDH_ES_A256KW,
        "the recipient is not ECDH-ES+A256KW",
    )?;
    let kek = kek(key, &ephemeral(recipient)?, &recipient.protected)?;
    let wrapped = recipient.ciphertext.as_deref().unwrap_or_default();
    let mut cek = Zeroizing::new([0; 32]);
    if wrapped.len() != WRAPPED {
        return Err(CoseError::DoesNotOpen);
    }
    kek.unwrap_key(wrapped, cek.as_mut_slice()).map_err(|_| CoseError::DoesNotOpen)?;
    let opened = message.decrypt_ciphertext(
        aad,
        || CoseError::Malformed("COSE_Encrypt with its ciphertext inside"),
        |ciphertext, aad| {
            let cipher = Aes256Gcm::new_from_slice(cek.as_slice()).map_err(|_| CoseError::Key)?;
            let payload = Payload { msg: ciphertext, aad };
            cipher.decrypt(&nonce.into(), payload).map_err(|_| CoseError::DoesNotOpen)
        },
    )?;
    Ok(Zeroizing::new(opened))
}

/// The algorithm has to be this one, and there may be no critical header.
fn algorithm(header: &Header, wanted: iana::Algorithm, otherwise: &'static str) -> Result<(), CoseError> {
    if !header.crit.is_empty() {
        return Err(CoseError::Unsupported("a critical header that is not known here"));
    }
    if header.alg == Some(RegisteredLabelWithPrivate::Assigned(wanted)) {
        Ok(())
    } else {
        Err(CoseError::Unsupported(otherwise))
    }
}

fn ephemeral(recipient: &CoseRecipient) -> Result<PublicKey, CoseError> {
    const BAD: CoseError = CoseError::Malformed("COSE_Encrypt whose recipient has an ephemeral P-256 key");
    let mut headers = recipient.unprotected.rest.iter().chain(&recipient.protected.header.rest);
    let value = headers.find(|(label, _)| *label == Label::Int(EPHEMERAL)).map(|(_, value)| value);
    let key = CoseKey::from_cbor_value(value.cloned().unwrap_or(Value::Null)).map_err(|_| BAD)?;
    let point = key.to_sec1_octet_string().map_err(|_| BAD)?;
    let crv = key.params.iter().find(|(label, _)| *label == Label::Int(iana::Ec2KeyParameter::Crv as i64));
    if crv.and_then(|(_, value)| value.as_integer()) != Some((iana::EllipticCurve::P_256 as i64).into()) {
        return Err(BAD);
    }
    PublicKey::from_sec1_bytes(&point).map_err(|_| BAD)
}

/// The key-encryption key, RFC 9053 §5.2 and §6.4: PartyU and PartyV are unknown, no salt.
fn kek(mine: &PrivateKey, theirs: &PublicKey, protected: &ProtectedHeader) -> Result<KwAes256, CoseError> {
    let shared = ecdh::diffie_hellman(mine.0.to_nonzero_scalar(), theirs.as_affine());
    let info = SuppPubInfo { key_data_length: 256, protected: protected.clone(), other: None };
    let context = CoseKdfContextBuilder::new()
        .algorithm(iana::Algorithm::A256KW)
        .supp_pub_info(info)
        .build()
        .to_vec()
        .map_err(|_| CoseError::Malformed("COSE_KDF_Context"))?;
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(None, shared.raw_secret_bytes())
        .expand(&context, key.as_mut_slice())
        .map_err(|_| CoseError::Key)?;
    KwAes256::new_from_slice(key.as_slice()).map_err(|_| CoseError::Key)
}
