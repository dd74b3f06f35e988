//! The RNCT as an OMA Client Provisioning 1.1 document (seed, annex B: bootstrap), for devices whose firmware has an
//! OMA client: XML, WBXML, and the NETWPIN authentication of the push that carries it.
//!
//! Specifications: OMA-WAP-TS-ProvCont-V1_1 (*ProvCont*: the document; its 1.0 is WAP-183), WAP-192 (WBXML 1.3),
//! OMA-WAP-TS-ProvBoot-V1_1 (*ProvBoot*: NETWPIN), WAP-230 (WSP: headers of a push).
//!
//! What NETWPIN is worth: its key is the IMSI, which visited networks know, and which the document names. It tells a
//! device that a document is meant for it and arrived whole; that a trigger comes from its registry is told by the
//! COSE_Sign1 of the RNCT alone ([`schemas::rnct`]).

pub mod bootstrap;
pub mod document;
mod rnct;
mod tokens;
mod wbxml;
mod xml;

pub use bootstrap::{content_type, netwpin_mac};
pub use document::{Characteristic, Document, Parm, Text, TextError};
pub use rnct::{ReadError, document, read};
pub use wbxml::{DecodeError, Problem, decode};
