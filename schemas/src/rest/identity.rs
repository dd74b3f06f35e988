//! How identities look in an OpenAPI document: text with a pattern.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::identity::{Imsi, Plmn};

fn text(description: &str, pattern: &str, example: &str) -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .pattern(Some(pattern))
        .examples([example])
        .into()
}

impl PartialSchema for Imsi {
    fn schema() -> RefOr<Schema> {
        text("IMSI: 6 to 15 decimal digits (TS 23.003 §2.2)", "^[0-9]{6,15}$", "999710000000001")
    }
}

impl ToSchema for Imsi {}

impl PartialSchema for Plmn {
    fn schema() -> RefOr<Schema> {
        text("PLMN: MCC-MNC (TS 23.003 §2.2)", "^[0-9]{3}-?[0-9]{2,3}$", "999-71")
    }
}

impl ToSchema for Plmn {}
